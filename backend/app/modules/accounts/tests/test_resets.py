"""A forgotten password: one link, used once, that tells nothing of who has an account."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.tests.helpers import (
    LINK,
    NEW_PASSWORD,
    mails_to,
    sign_in,
    token_of,
)
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.process import Process

pytestmark = pytest.mark.usefixtures("fresh_limits")


async def test_reset_sets_the_password_once(
    client: httpx2.AsyncClient, process: Process, database: Database
) -> None:
    """The mailed token sets the new password once, ends the old sessions, and the old password with them."""
    merchant = await make_merchant(database)
    asked = await client.post("/password-resets", json={"email": merchant.email})
    ((kind, _subject, text),) = await mails_to(process, merchant.email)
    token = token_of(text)
    await client.get(f"/password-reset/link/{token}")  # a mail scanner
    weak = await client.post("/password-resets/confirm", json={"token": token, "password": "password"})
    done = await client.post(
        "/password-resets/confirm", json={"token": token, "password": "tulip-ocean-7-lamp"}
    )
    again = await client.post(
        "/password-resets/confirm", json={"token": token, "password": "tulip-ocean-8-lamp"}
    )

    assert (asked.status_code, kind) == (202, "password_reset")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert done.status_code == 201
    assert (again.status_code, again.json()["code"]) == (422, "link_unusable")
    client.cookies.clear()
    assert (await client.get("/sessions", headers={"cookie": merchant.headers["Cookie"]})).status_code == 401
    body = {"email": merchant.email, "password": PASSWORD}
    assert (await client.post("/sessions", json=body)).status_code == 401
    body["password"] = "tulip-ocean-7-lamp"
    assert (await client.post("/sessions", json=body)).status_code == 201


async def test_reset_of_unknown_address_tells_nothing(
    client: httpx2.AsyncClient, process: Process, database: Database, email: str
) -> None:
    """Known and unknown addresses get one answer; the unknown one gets a mail without a token."""
    merchant = await make_merchant(database)
    known = await client.post("/password-resets", json={"email": merchant.email})
    unknown = await client.post("/password-resets", json={"email": email})

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    ((_kind, _subject, text),) = await mails_to(process, email)
    assert LINK.search(text) is None


async def test_two_resets_at_once_set_one_password(
    client: httpx2.AsyncClient, process: Process, database: Database
) -> None:
    """A token sent twice at the same moment works once."""
    merchant = await make_merchant(database)
    await client.post("/password-resets", json={"email": merchant.email})
    ((_kind, _subject, text),) = await mails_to(process, merchant.email)
    bodies = [{"token": token_of(text), "password": f"tulip-ocean-{n}-lamp"} for n in range(4)]

    answers = await asyncio.gather(*(client.post("/password-resets/confirm", json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]


async def test_a_stolen_dump_opens_no_link(
    client: httpx2.AsyncClient, database: Database, process: Process, merchant: MadeMerchant
) -> None:
    """What the tables hold of links and sessions is a hash: put into a link it opens nothing."""
    from app.modules.accounts.models import MemberLink
    from app.utils.security import b64

    await client.post("/password-resets", json={"email": merchant.email})
    async with tenant_scope(database, merchant.id) as session:
        link = (await session.execute(select(MemberLink))).scalars().one()
    token = f"{merchant.id.hex}.{link.id.hex}.{b64(link.token_hash)}"

    refused = await client.post("/password-resets/confirm", json={"token": token, "password": NEW_PASSWORD})

    assert refused.json()["code"] == "link_unusable"
    assert (await sign_in(client, merchant.email)).status_code == 201
