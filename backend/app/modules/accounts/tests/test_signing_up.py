"""Signing up: it ends at the mailbox, opens one account, and gives nobody another's."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.session import Database
from app.kernel.clock import FixedClock
from app.modules.accounts.signing_up import service as sign_up_service
from app.modules.accounts.tests.helpers import (
    LINK,
    NEW_PASSWORD,
    mails_to,
    send,
    sign_in,
    sign_up,
    token_of,
    token_to,
)
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.process import Process

pytestmark = pytest.mark.usefixtures("fresh_limits")


async def test_sign_up_ends_at_the_mailbox(client: httpx2.AsyncClient, process: Process, email: str) -> None:
    """The link's token makes the merchant once and signs the owner in; a GET of it changes nothing."""
    answer = await sign_up(client, email)
    ((kind, _subject, text),) = await mails_to(process, email)
    token = token_of(text)

    assert (answer.status_code, answer.json()) == (202, {"status": "look_in_your_mailbox"})
    assert kind == "sign_up"
    scanned = await client.get(f"/sign-up/confirm/{token}")
    assert (scanned.status_code, scanned.headers["location"]) == (303, "/sign-up/confirm")
    first = await client.post("/merchants/confirm", json={"token": token})
    again = await client.post("/merchants/confirm", json={"token": token})
    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (422, "link_unusable")
    assert (await client.get("/merchants/current")).json()["name"] == "CoffeeLux"


async def test_known_address_gets_the_same_answer(
    client: httpx2.AsyncClient, process: Process, database: Database
) -> None:
    """Signing up with a known address answers alike, tells its owner by mail, and opens nothing."""
    merchant = await make_merchant(database)
    known = await sign_up(client, merchant.email)
    unknown = await sign_up(client, f"x-{merchant.email}")

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.headers.keys() == unknown.headers.keys()
    ((kind, _subject, text),) = await mails_to(process, merchant.email)
    assert kind == "sign_up_known"
    assert LINK.search(text) is None


async def test_two_sign_ups_of_one_address_open_one_account(
    client: httpx2.AsyncClient, process: Process, email: str
) -> None:
    """Whoever finishes first has the account; the other link is of no use."""
    await sign_up(client, email)
    await sign_up(client, email, name="Second")
    tokens = [token_of(text) for _kind, _subject, text in await mails_to(process, email)]

    answers = await asyncio.gather(
        *(client.post("/merchants/confirm", json={"token": token}) for token in tokens)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_link_ends_after_a_day(
    client: httpx2.AsyncClient, process: Process, clock: FixedClock, email: str
) -> None:
    """A link works up to its last second and not at its end."""
    await sign_up(client, email)
    ((_kind, _subject, text),) = await mails_to(process, email)
    clock.advance(hours=24)

    late = await client.post("/merchants/confirm", json={"token": token_of(text)})

    assert (late.status_code, late.json()["code"]) == (422, "link_unusable")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "weak_password"),
        ("password1234", "weak_password"),
        ("coffeelux2026", "weak_password"),
        ("aaaaaaaaaaaaaaaa", "weak_password"),
        ("x" * 1001, "invalid"),
        ("", "invalid"),
    ],
)
async def test_weak_password_is_refused(
    client: httpx2.AsyncClient, process: Process, email: str, password: str, code: str
) -> None:
    """A password that is easy to guess is refused and no mail is sent."""
    response = await sign_up(client, email, password=password)

    assert (response.status_code, response.json()["code"]) == (422, code)
    assert await mails_to(process, email) == []


async def test_closed_sign_up_is_refused(
    client: httpx2.AsyncClient, process: Process, email: str, settings: Settings
) -> None:
    """Where the operator has closed sign-up nothing is kept."""
    process.resources.put(Settings, settings.model_copy(update={"sign_up": "closed"}))
    try:
        response = await sign_up(client, email)
    finally:
        process.resources.put(Settings, settings)

    assert (response.status_code, response.json()["code"]) == (403, "sign_up_closed")
    assert await mails_to(process, email) == []


async def test_one_mailbox_gets_three_mails_at_most(
    client: httpx2.AsyncClient, process: Process, email: str
) -> None:
    """The fourth sign-up in a quarter of an hour gets the same answer and no mail."""
    answers = [await sign_up(client, email) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {202}
    assert len(await mails_to(process, email)) == 3


async def test_sweep_forgets_what_has_ended(
    client: httpx2.AsyncClient, process: Process, clock: FixedClock, email: str
) -> None:
    """Sign-ups that were never finished go, open sessions stay."""
    from app.kernel.jobs import JobContext
    from app.modules.accounts.jobs import sweep
    from app.modules.accounts.models import SignUp

    await sign_up(client, email)
    clock.at += timedelta(hours=24)
    context = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    await sweep.run(context)

    async with process.database.system_sessions() as session:
        left = (await session.execute(select(SignUp).where(SignUp.email == email))).all()
        assert (await session.execute(select(Merchant.id).limit(1))).first() is not None
    assert left == []


async def test_a_stranger_cannot_choose_the_password_of_a_mailbox(
    client: httpx2.AsyncClient, process: Process, email: str
) -> None:
    """Opened in another browser than signed up, the link asks for a password; the stranger's opens nothing."""
    assert (await sign_up(client, email)).status_code == 202
    client.cookies.clear()
    token = await token_to(process, email, "sign_up")

    asked = await client.post("/merchants/confirm", json={"token": token})
    assert (asked.status_code, asked.json()["code"]) == (422, "password_needed")
    opened = await client.post("/merchants/confirm", json={"token": token, "password": NEW_PASSWORD})

    assert opened.status_code == 201
    client.cookies.clear()
    assert (await sign_in(client, email)).status_code == 401
    assert (await sign_in(client, email, NEW_PASSWORD)).status_code == 201


async def test_the_page_asks_the_other_browser_for_a_password(
    client: httpx2.AsyncClient, process: Process, email: str
) -> None:
    """The browser that signed up sees one button; another one sees a field and why."""
    assert (await sign_up(client, email)).status_code == 202
    token = await token_to(process, email, "sign_up")
    await client.get(f"/sign-up/confirm/{token}")
    assert 'name="password"' not in (await client.get("/sign-up/confirm")).text
    client.cookies.clear()
    await client.get(f"/sign-up/confirm/{token}")

    assert 'name="password"' in (await client.get("/sign-up/confirm")).text
    assert (await send(client, "/sign-up/confirm")).status_code == 422
    opened = await send(client, "/sign-up/confirm", {"password": NEW_PASSWORD})
    assert opened.headers["location"] == "/dashboard"


async def test_control_without_the_browser_check_the_strangers_password_opens(
    client: httpx2.AsyncClient, process: Process, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the comparison taken away, the link gives the account to whoever typed the address first."""
    assert (await sign_up(client, email)).status_code == 202
    client.cookies.clear()
    token = await token_to(process, email, "sign_up")
    monkeypatch.setattr(sign_up_service, "same", lambda *_values: True)

    assert (await client.post("/merchants/confirm", json={"token": token})).status_code == 201
    client.cookies.clear()
    assert (await sign_in(client, email)).status_code == 201
