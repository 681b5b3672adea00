"""Guessing from everywhere never locks the owner's own browser out; new browsers are told by mail."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.models import MerchantSession
from app.modules.accounts.signing_in import service
from app.modules.accounts.tests.helpers import NEW_PASSWORD, mails_to, send, sign_in, statements_of, token_to
from app.modules.merchants.factories import make_merchant
from app.process import Process
from app.utils import security
from app.utils.id_generator import new_id

pytestmark = pytest.mark.usefixtures("fresh_limits")


async def storm(client: httpx2.AsyncClient, email: str) -> int:
    """Guess as a stranger until the limit says no; return the last status."""
    client.cookies.clear()
    return [(await sign_in(client, email, "a-guess-by-a-stranger")).status_code for _ in range(12)][-1]


async def test_strangers_do_not_lock_a_known_browser_out(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """While an unknown browser is told to wait, the one that signed in before gets in."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    known = dict(client.cookies)
    assert await storm(client, merchant.email) == 429

    assert (await sign_in(client, merchant.email)).status_code == 429
    client.cookies.update(known)
    assert (await sign_in(client, merchant.email)).status_code == 201


async def test_control_without_the_device_cookie_the_owner_is_locked_out(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the recognition taken away, strangers close the owner's own browser: the test above can fail."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    known = dict(client.cookies)
    monkeypatch.setattr(service, "known_device", lambda *_values: None)
    assert await storm(client, merchant.email) == 429

    client.cookies.update(known)
    assert (await sign_in(client, merchant.email)).status_code == 429


async def test_a_known_browser_has_few_guesses_too(client: httpx2.AsyncClient, database: Database) -> None:
    """Its own counter stops it after ten wrong tries, and leaves other browsers theirs."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    answers = [
        (await sign_in(client, merchant.email, "wrong-again-and-again")).status_code for _ in range(11)
    ]

    assert answers == [*[401] * 10, 429]
    client.cookies.clear()
    assert (await sign_in(client, merchant.email)).status_code == 201


async def test_a_device_cookie_is_good_for_its_own_address_only(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """Somebody with a cookie of their own is a stranger to everybody else's address."""
    mine, theirs = await make_merchant(database), await make_merchant(database)
    await sign_in(client, mine.email)

    guesses = [(await sign_in(client, theirs.email, "a-guess")).status_code for _ in range(11)]
    assert guesses[-1] == 429
    client.cookies.clear()
    assert (await sign_in(client, theirs.email)).status_code == 429


async def test_unknown_addresses_are_limited_alike(client: httpx2.AsyncClient, database: Database) -> None:
    """An address without an account gets the same answers, cookies and limits as one with."""
    merchant = await make_merchant(database)
    seen = []
    for email in (merchant.email, f"nobody-{new_id().hex[-12:]}@example.com"):
        client.cookies.clear()
        answers = [await sign_in(client, email, "a-guess-by-a-stranger") for _ in range(11)]
        codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
        assert not any("set-cookie" in answer.headers for answer in answers)
        seen.append(codes)

    assert seen[0] == seen[1]
    assert seen[0][-1] == (429, "rate_limited")


@pytest.mark.parametrize("path", ["/sessions", "/password-resets", "/merchants"])
async def test_known_and_unknown_addresses_take_the_same_statements(
    path: str, client: httpx2.AsyncClient, database: Database
) -> None:
    """Sign-in, reset and sign-up send the same statements in the same order for both, and answer alike."""
    merchant = await make_merchant(database)
    seen = []
    for email in (f"nobody-{new_id().hex[-12:]}@example.com", merchant.email):
        client.cookies.clear()
        body = {"email": email, "password": NEW_PASSWORD, "name": "Some shop"}
        wanted = {"/sessions": ("email", "password"), "/password-resets": ("email",)}.get(path, tuple(body))
        with statements_of(database) as statements:
            answer = await client.post(path, json={name: body[name] for name in wanted})
        seen.append((answer.status_code, sorted(answer.cookies), list(statements)))

    assert len(seen[0][2]) > 3
    assert seen[0] == seen[1]


async def test_control_one_more_statement_is_seen(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset that wrote its link for known addresses only would be noticed by the counting."""
    from app.modules.accounts.signing_in import resets

    merchant = await make_merchant(database)
    make_link = resets.make_link

    async def only_for_known(session: Any, wish: Any, *, now: Any) -> str:
        return await make_link(session, wish, now=now) if wish.merchant_id == merchant.id else ""

    monkeypatch.setattr(resets, "make_link", only_for_known)
    counts = []
    for email in (f"nobody-{new_id().hex[-12:]}@example.com", merchant.email):
        with statements_of(database) as statements:
            await client.post("/password-resets", json={"email": email})
        counts.append(len(statements))

    assert counts[1] == counts[0] + 1


async def test_a_new_browser_is_told_once(
    client: httpx2.AsyncClient, database: Database, process: Process
) -> None:
    """The first sign-in of a browser is mailed with its name, the second is not."""
    merchant = await make_merchant(database)
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:144.0) Gecko/20100101 Firefox/144.0"}
    body = {"email": merchant.email, "password": PASSWORD}
    for _ in range(2):
        assert (await client.post("/sessions", json=body, headers=agent)).status_code == 201

    mails = await mails_to(process, merchant.email)
    assert [kind for kind, _subject, _text in mails] == ["new_device"]
    assert "Firefox, Windows" in mails[0][2]
    listed = (await client.get("/sessions")).json()["sessions"]
    assert [row["browser"] for row in listed if row["current"]] == ["Firefox, Windows"]


async def test_that_was_not_me_takes_the_account_back(
    client: httpx2.AsyncClient, database: Database, process: Process
) -> None:
    """One click ends every session and closes the password; the next page sets a new one. The link works once."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    token = await token_to(process, merchant.email, "new_device")
    assert (await client.get(f"/not-me/link/{token}")).status_code == 303
    assert (await client.get("/account")).status_code == 200

    asked = await send(client, "/not-me")

    assert asked.headers["location"] == "/password-reset/new"
    assert (await client.get("/account", headers=merchant.headers)).status_code == 401
    done = await send(client, "/password-reset/new", {"password": NEW_PASSWORD})
    assert done.headers["location"] == "/dashboard"
    client.cookies.clear()
    assert (await sign_in(client, merchant.email)).status_code == 401
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
    await client.get(f"/not-me/link/{token}")
    again = await send(client, "/not-me")
    assert again.status_code == 422


async def test_the_disowned_browser_is_new_again(
    client: httpx2.AsyncClient, database: Database, process: Process
) -> None:
    """After an alarm the browser it was about is told by mail again, although it still has its cookie."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    token = await token_to(process, merchant.email, "new_device")
    await client.get(f"/not-me/link/{token}")
    asked = await send(client, "/not-me")
    assert asked.headers["location"] == "/password-reset/new"
    done = await send(client, "/password-reset/new", {"password": NEW_PASSWORD})
    assert done.headers["location"] == "/dashboard"

    kinds = [kind for kind, _subject, _text in await mails_to(process, merchant.email)]
    assert kinds == ["new_device", "new_device"]


async def test_old_hashes_are_renewed_on_sign_in(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    """When Argon2's parameters have grown, the right password is hashed anew; a wrong one changes nothing."""
    from argon2 import PasswordHasher
    from argon2.low_level import Type

    from app.modules.merchants.models import Merchant

    merchant = await make_merchant(database)
    stronger = PasswordHasher(time_cost=3, memory_cost=20 * 1024, parallelism=1, type=Type.ID)
    monkeypatch.setattr(security, "_passwords", stronger)

    async def stored() -> str:
        async with tenant_scope(database, merchant.id) as session:
            return str(await session.scalar(select(Merchant.password_hash)))

    before = await stored()
    assert (await sign_in(client, merchant.email, "a-wrong-one-first")).status_code == 401
    assert await stored() == before
    assert (await sign_in(client, merchant.email)).status_code == 201
    assert (await stored()).startswith("$argon2id$v=19$m=20480,t=3,p=1$")
    assert (await sign_in(client, merchant.email)).status_code == 201


async def test_cookies_hold_nothing_readable_of_the_person(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """The device cookie names neither the address nor the member, and the row keeps a hash of it."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)
    cookie = next(value for name, value in client.cookies.items() if name.endswith("known_browser"))

    from app.utils.security import hash_token, unb64

    plain = unb64(cookie.split(".")[1]).decode()
    assert merchant.email not in plain
    assert merchant.owner_id.hex not in plain
    async with tenant_scope(database, merchant.id) as session:
        hashes = (await session.execute(select(MerchantSession.device_hash))).scalars().all()
    assert hash_token(plain.partition(" ")[0]) in hashes


async def test_all_other_sessions_end_at_once(client: httpx2.AsyncClient, database: Database) -> None:
    """Ending the others keeps this one, and leaves one in the list."""
    merchant = await make_merchant(database)
    await sign_in(client, merchant.email)

    assert (await client.request("DELETE", "/sessions")).status_code == 204

    assert len((await client.get("/sessions")).json()["sessions"]) == 1
    client.cookies.clear()
    assert (await client.get("/account", headers=merchant.headers)).status_code == 401
