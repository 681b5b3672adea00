"""The own account: its password, address and name, and the alarms that take back what a stranger did."""

from __future__ import annotations

import httpx2
import pytest
from sqlalchemy import update

from app.db.session import Database, tenant_scope
from app.modules.accounts.factories import PASSWORD, make_member
from app.modules.accounts.tests.helpers import (
    NEW_PASSWORD,
    mails_to,
    send,
    sign_in,
    token_to,
)
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.merchants.models import Merchant
from app.process import Process

pytestmark = pytest.mark.usefixtures("fresh_limits")


async def test_another_password_ends_the_other_sessions(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant
) -> None:
    """The session that changes it stays, all others end, and the mailbox is told."""
    await sign_in(client, merchant.email)
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}

    assert (await client.put("/account/password", json=body)).status_code == 204

    assert (await client.get("/account")).status_code == 200
    client.cookies.clear()
    assert (await client.get("/account", headers=merchant.headers)).status_code == 401
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
    assert "password_changed" in [kind for kind, _subject, _text in await mails_to(process, merchant.email)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("not-the-password", NEW_PASSWORD, "password_wrong"), (PASSWORD, "coffeelux-2026", "weak_password")],
)
async def test_a_refused_password_changes_nothing(
    client: httpx2.AsyncClient, merchant: MadeMerchant, old: str, new: str, code: str
) -> None:
    """Without the old one, or with one made of the business's name, everything stays."""
    body = {"current_password": old, "password": new}
    refused = await client.put("/account/password", json=body, headers=merchant.headers)

    assert refused.json()["code"] == code
    assert (await sign_in(client, merchant.email)).status_code == 201


async def test_asking_again_is_limited(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """Whoever sits at an open session guesses the password ten times at most."""
    body = {"current_password": "guess-after-guess", "password": NEW_PASSWORD}
    answers = [
        (await client.put("/account/password", json=body, headers=merchant.headers)).json()["code"]
        for _ in range(11)
    ]

    assert answers == [*["password_wrong"] * 10, "rate_limited"]


async def test_a_new_address_is_confirmed_by_its_mailbox(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """Until the link is used the old address signs in, afterwards the new one; the old mailbox is told."""
    body = {"email": email, "current_password": PASSWORD}
    assert (await client.post("/account/email", json=body, headers=merchant.headers)).status_code == 202
    assert (await sign_in(client, merchant.email)).status_code == 201
    token = await token_to(process, email, "address_new")

    answers = [await client.post("/account/email/confirm", json={"token": token}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 422]
    client.cookies.clear()
    assert (await sign_in(client, email)).status_code == 201
    assert (await sign_in(client, merchant.email)).status_code == 401
    assert "address_changed" in [kind for kind, _subject, _text in await mails_to(process, merchant.email)]


async def test_the_old_mailbox_can_take_the_address_back(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """Whoever took a session over and moved the address loses it to one click in the old mailbox."""
    body = {"email": email, "current_password": PASSWORD}
    await client.post("/account/email", json=body, headers=merchant.headers)
    moved = await token_to(process, email, "address_new")
    await client.post("/account/email/confirm", json={"token": moved})
    alarm = await token_to(process, merchant.email, "address_changed")

    await client.get(f"/not-me/link/{alarm}")
    await send(client, "/not-me")
    await send(client, "/password-reset/new", {"password": NEW_PASSWORD})

    client.cookies.clear()
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
    assert (await sign_in(client, email)).status_code == 401


async def test_a_taken_address_is_told_to_its_mailbox_only(
    client: httpx2.AsyncClient, database: Database, process: Process, merchant: MadeMerchant
) -> None:
    """Asking for an address that signs in elsewhere answers as for any other; its link refuses."""
    other = await make_merchant(database)
    body = {"email": other.email, "current_password": PASSWORD}
    asked = await client.post("/account/email", json=body, headers=merchant.headers)
    assert (asked.status_code, asked.json()) == (202, {"status": "look_in_your_mailbox"})

    token = await token_to(process, other.email, "address_new")
    refused = await client.post("/account/email/confirm", json={"token": token})

    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    assert (await sign_in(client, merchant.email)).status_code == 201


async def test_a_members_password_is_their_own(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A member who changes theirs leaves the owner's as it is."""
    member = await make_member(database, merchant.id, "analyst")
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    assert (await client.put("/account/password", json=body, headers=member.headers)).status_code == 204

    assert (await sign_in(client, merchant.email)).status_code == 201
    client.cookies.clear()
    assert (await sign_in(client, member.email, NEW_PASSWORD)).status_code == 201


async def test_the_name_is_shown_to_the_team(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A name is kept where the sign-in stands, for the owner and for members."""
    member = await make_member(database, merchant.id, "manager")
    for headers, name in ((merchant.headers, "Olga"), (member.headers, "Mia")):
        changed = await client.patch("/account", json={"name": name}, headers=headers)
        assert changed.json()["name"] == name

    team = (await client.get("/team", headers=merchant.headers)).json()["members"]
    assert [row["name"] for row in team] == ["Olga", "Mia"]
    async with tenant_scope(database, merchant.id) as session:
        await session.execute(update(Merchant).values(owner_name=""))


async def test_an_intruder_cannot_burn_the_old_mailboxes_alarm(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """An alarm raised from the intruder's own mailbox leaves the one in the owner's, which still works."""
    body = {"email": email, "current_password": PASSWORD}
    await client.post("/account/email", json=body, headers=merchant.headers)
    moved = await token_to(process, email, "address_new")
    await client.post("/account/email/confirm", json={"token": moved})
    await sign_in(client, email)
    burning = await token_to(process, email, "new_device")
    await client.get(f"/not-me/link/{burning}")
    assert (await send(client, "/not-me")).headers["location"] == "/password-reset/new"

    alarm = await token_to(process, merchant.email, "address_changed")
    await client.get(f"/not-me/link/{alarm}")
    asked = await send(client, "/not-me")
    assert asked.headers["location"] == "/password-reset/new"
    await send(client, "/password-reset/new", {"password": NEW_PASSWORD})

    client.cookies.clear()
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
    assert (await sign_in(client, email, NEW_PASSWORD)).status_code == 401


async def test_the_alarm_of_a_sign_in_puts_a_moved_address_back(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """The first mail about an intruder undoes what the intruder did next, also where it tells of the sign-in only."""
    await sign_in(client, merchant.email)
    alarm = await token_to(process, merchant.email, "new_device")
    await client.post("/account/email", json={"email": email, "current_password": PASSWORD})
    moved = await token_to(process, email, "address_new")
    await client.post("/account/email/confirm", json={"token": moved})

    await client.get(f"/not-me/link/{alarm}")
    await send(client, "/not-me")
    await send(client, "/password-reset/new", {"password": NEW_PASSWORD})

    client.cookies.clear()
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
    assert (await sign_in(client, email, NEW_PASSWORD)).status_code == 401
