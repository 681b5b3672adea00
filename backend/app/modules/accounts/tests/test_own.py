"""The own account, sign-up by somebody else, and what a second factor is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD, make_member
from app.modules.accounts.hooks import SIGN_IN_FACTOR, MemberRef
from app.modules.accounts.models import SignInLimit
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.half import FACTOR_TRIES_MAX, find_half_sign_in, try_half_sign_in
from app.modules.accounts.signing_in.service import finish_sign_in
from app.modules.accounts.signing_in.sessions import SignedIn
from app.modules.accounts.signing_up import service as sign_up_service
from app.modules.accounts.tests.helpers import NEW_PASSWORD, mails_to, send, sign_in, token_to
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.merchants.models import Merchant
from app.process import Process
from app.utils.id_generator import new_id


@pytest.fixture(autouse=True)
async def fresh_limits(app: Any, database: Database) -> AsyncIterator[None]:
    """Forget what other tests counted for the one address they all share."""
    await app.state.limiter.reset()
    yield
    async with database.sessions() as session, session.begin():
        await session.execute(delete(SignInLimit))


@pytest.fixture
async def merchant(database: Database) -> MadeMerchant:
    """Return a business."""
    return await make_merchant(database)


@pytest.fixture
def email() -> str:
    """Return an address no other test uses."""
    return f"new-{new_id().hex[-12:]}@example.com"


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


async def sign_up(client: httpx2.AsyncClient, email: str) -> None:
    """Sign up with the tests' password."""
    body = {"name": "CoffeeLux", "email": email, "password": PASSWORD}
    assert (await client.post("/merchants", json=body)).status_code == 202


async def test_a_stranger_cannot_choose_the_password_of_a_mailbox(
    client: httpx2.AsyncClient, process: Process, email: str
) -> None:
    """Opened in another browser than signed up, the link asks for a password; the stranger's opens nothing."""
    await sign_up(client, email)
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
    await sign_up(client, email)
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
    await sign_up(client, email)
    client.cookies.clear()
    token = await token_to(process, email, "sign_up")
    monkeypatch.setattr(sign_up_service, "same", lambda *_values: True)

    assert (await client.post("/merchants/confirm", json={"token": token})).status_code == 201
    client.cookies.clear()
    assert (await sign_in(client, email)).status_code == 201


class Codes:
    """A second factor that everybody has; its one code is 246810."""

    page_url = "/sign-in/second"

    async def is_required(self, session: AsyncSession, member: MemberRef) -> bool:
        """Say yes."""
        return True

    async def is_right(self, session: AsyncSession, member: MemberRef, *, code: str, now: datetime) -> bool:
        """Know the code."""
        return code == "246810"


@pytest.fixture
def second_factor() -> Iterator[None]:
    """Ask everybody for a code."""
    before = dict(SIGN_IN_FACTOR.items())
    SIGN_IN_FACTOR.bind({"test": Codes()})
    yield
    SIGN_IN_FACTOR.bind(before)


async def with_code(client: httpx2.AsyncClient, email: str, code: str | None) -> tuple[int, str]:
    """Sign in over JSON; return status and code."""
    answer = await client.post("/sessions", json={"email": email, "password": PASSWORD, "totp": code})
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.usefixtures("second_factor")
async def test_json_sign_in_takes_the_code(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """Missing: totp_required; wrong: unauthenticated, a few times at most; right: a session."""
    assert await with_code(client, merchant.email, None) == (401, "totp_required")
    assert "set-cookie" not in (await sign_in(client, merchant.email)).headers
    assert await with_code(client, merchant.email, "246810") == (201, "")
    client.cookies.clear()
    wrong = [await with_code(client, merchant.email, "000000") for _ in range(FACTOR_TRIES_MAX + 1)]

    assert wrong == [*[(401, "unauthenticated")] * FACTOR_TRIES_MAX, (429, "rate_limited")]
    assert await with_code(client, merchant.email, "246810") == (429, "rate_limited")


@pytest.mark.usefixtures("second_factor")
async def test_the_page_leaves_a_half_sign_in(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """After the right password there is no session, only the state that the factor's page goes on with."""
    form = {"email": merchant.email, "password": PASSWORD, "next": "/dashboard/team"}
    answer = await send(client, "/sign-in", form)

    assert answer.headers["location"] == "/sign-in/second?next=/dashboard/team"
    assert "half_sign_in" in str(answer.headers.get_list("set-cookie"))
    assert (await client.get("/account")).status_code == 401


async def half(client: httpx2.AsyncClient, merchant: MadeMerchant) -> str:
    """Type the right password and return the half sign-in's cookie."""
    client.cookies.clear()
    await send(client, "/sign-in", {"email": merchant.email, "password": PASSWORD})
    return next(value for name, value in client.cookies.items() if name.endswith("half_sign_in"))


@pytest.mark.usefixtures("second_factor")
async def test_a_half_sign_in_is_finished_once(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, clock: FixedClock
) -> None:
    """Of two simultaneous ends one opens a session; afterwards the state is unknown."""
    token = await half(client, merchant)

    async def finish() -> Any:
        async with database.sessions() as session, session.begin():
            return await finish_sign_in(session, token, browser=Browser(), now=clock.now())

    outcomes = await asyncio.gather(finish(), finish())

    assert sorted(isinstance(outcome, SignedIn) for outcome in outcomes) == [False, True]
    async with database.sessions() as session:
        assert await find_half_sign_in(session, token, now=clock.now()) is None


@pytest.mark.usefixtures("second_factor")
async def test_a_half_sign_in_ends_by_itself(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, clock: FixedClock
) -> None:
    """After ten minutes, and for a made-up secret, there is nothing to finish."""
    token = await half(client, merchant)
    async with database.sessions() as session:
        assert await find_half_sign_in(session, token[:-4] + "AAAA", now=clock.now()) is None
    async with database.sessions() as session:
        assert await find_half_sign_in(session, token, now=clock.now()) is not None
    clock.advance(minutes=10)
    async with database.sessions() as session:
        assert await find_half_sign_in(session, token, now=clock.now()) is None


@pytest.mark.usefixtures("second_factor")
async def test_tries_at_once_stop_at_the_limit(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, clock: FixedClock
) -> None:
    """Of 30 simultaneous tries of one half sign-in five may be verified."""
    token = await half(client, merchant)

    async def attempt() -> bool:
        async with database.sessions() as session:
            tried = await try_half_sign_in(session, token, browser=Browser(), now=clock.now())
            return isinstance(tried, MemberRef)

    assert sum(await asyncio.gather(*(attempt() for _ in range(30)))) == 5


@pytest.mark.usefixtures("second_factor")
async def test_a_mailbox_alone_does_not_pass_the_second_factor(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant
) -> None:
    """A reset sets the password and still asks for the code."""
    await client.post("/password-resets", json={"email": merchant.email})
    token = await token_to(process, merchant.email, "password_reset")
    done = await client.post("/password-resets/confirm", json={"token": token, "password": NEW_PASSWORD})

    assert (done.status_code, done.json()["code"]) == (401, "totp_required")
    body = {"email": merchant.email, "password": NEW_PASSWORD, "totp": "246810"}
    assert (await client.post("/sessions", json=body)).status_code == 201


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
