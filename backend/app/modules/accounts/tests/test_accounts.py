"""Sign-up, sign-in, sessions, reset and API keys, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.web.limits import Limiter
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.models import ApiKey, MerchantSession, SignInLimit
from app.modules.accounts.signing_in import service as sign_in_module
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.messaging.models import OutboxMessage
from app.process import Process
from app.utils.id_generator import new_id
from app.utils.security import Keyring

LINK = re.compile(r"http://testserver(/[\w/.-]+/[\w.-]{60,})")


@pytest.fixture(autouse=True)
async def fresh_limits(app: Any, database: Database) -> AsyncIterator[None]:
    """Forget what other tests counted for the one address they all share, and what this one counts."""
    limiter: Limiter = app.state.limiter
    for turn in ("before", "after"):
        await limiter.reset()
        async with database.sessions() as session, session.begin():
            await session.execute(delete(SignInLimit))
        if turn == "before":
            yield


@pytest.fixture
def email() -> str:
    """Return an address no other test uses."""
    return f"new-{new_id().hex[-12:]}@example.com"


async def mails_to(process: Process, admin: Any, recipient: str) -> list[tuple[str, str]]:
    """Return (kind, text) of every mail queued for an address, oldest first."""
    keyring = process.resources.get(Keyring)
    async with admin() as session:
        rows = await session.execute(
            select(OutboxMessage).where(OutboxMessage.recipient == recipient).order_by(OutboxMessage.id)
        )
        return [
            (row.kind, json.loads(keyring.unseal(row.content, context=f"outbox_message:{row.id}"))[1])
            for row in rows.scalars()
        ]


@pytest.fixture
def admin(process: Process) -> Any:
    """Return sessions of the system role, which sees the outbox of all merchants."""
    return process.database.system_sessions


def token_of(text: str) -> str:
    """Return the token at the end of the link in a mail."""
    found = LINK.search(text)
    assert found is not None, text
    return found.group(1).rpartition("/")[2]


async def sign_up(client: httpx2.AsyncClient, email: str, **over: str) -> httpx2.Response:
    """Ask for an account."""
    return await client.post(
        "/merchants", json={"name": "CoffeeLux", "email": email, "password": PASSWORD, **over}
    )


async def test_sign_up_ends_at_the_mailbox(
    client: httpx2.AsyncClient, process: Process, admin: Any, email: str
) -> None:
    """The link's token makes the merchant once and signs the owner in; a GET of it changes nothing."""
    answer = await sign_up(client, email)
    ((kind, text),) = await mails_to(process, admin, email)
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
    client: httpx2.AsyncClient, process: Process, database: Database, admin: Any
) -> None:
    """Signing up with a known address answers alike, tells its owner by mail, and opens nothing."""
    merchant = await make_merchant(database)
    known = await sign_up(client, merchant.email)
    unknown = await sign_up(client, f"x-{merchant.email}")

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.headers.keys() == unknown.headers.keys()
    ((kind, text),) = await mails_to(process, admin, merchant.email)
    assert kind == "sign_up_known"
    assert LINK.search(text) is None


async def test_two_sign_ups_of_one_address_open_one_account(
    client: httpx2.AsyncClient, process: Process, admin: Any, email: str
) -> None:
    """Whoever finishes first has the account; the other link is of no use."""
    await sign_up(client, email)
    await sign_up(client, email, name="Second")
    tokens = [token_of(text) for _kind, text in await mails_to(process, admin, email)]

    answers = await asyncio.gather(
        *(client.post("/merchants/confirm", json={"token": token}) for token in tokens)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_link_ends_after_a_day(
    client: httpx2.AsyncClient, process: Process, admin: Any, clock: FixedClock, email: str
) -> None:
    """A link works up to its last second and not at its end."""
    await sign_up(client, email)
    ((_kind, text),) = await mails_to(process, admin, email)
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
    client: httpx2.AsyncClient, process: Process, admin: Any, email: str, password: str, code: str
) -> None:
    """A password that is easy to guess is refused and no mail is sent."""
    response = await sign_up(client, email, password=password)

    assert (response.status_code, response.json()["code"]) == (422, code)
    assert await mails_to(process, admin, email) == []


async def test_closed_sign_up_is_refused(
    client: httpx2.AsyncClient, process: Process, admin: Any, email: str, settings: Settings
) -> None:
    """Where the operator has closed sign-up nothing is kept."""
    process.resources.put(Settings, settings.model_copy(update={"sign_up": "closed"}))
    try:
        response = await sign_up(client, email)
    finally:
        process.resources.put(Settings, settings)

    assert (response.status_code, response.json()["code"]) == (403, "sign_up_closed")
    assert await mails_to(process, admin, email) == []


async def test_one_mailbox_gets_three_mails_at_most(
    client: httpx2.AsyncClient, process: Process, admin: Any, email: str
) -> None:
    """The fourth sign-up in a quarter of an hour gets the same answer and no mail."""
    answers = [await sign_up(client, email) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {202}
    assert len(await mails_to(process, admin, email)) == 3


async def test_right_password_opens_a_session(client: httpx2.AsyncClient, database: Database) -> None:
    """The right password answers 201 with a cookie that opens the dashboard's endpoints."""
    merchant = await make_merchant(database)

    response = await client.post("/sessions", json={"email": merchant.email.upper(), "password": PASSWORD})

    assert response.status_code == 201
    assert response.json()["merchant_id"] == str(merchant.id)
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    listed = await client.get("/sessions")
    assert [row["current"] for row in listed.json()["sessions"]].count(True) == 1


async def test_unknown_and_wrong_get_one_answer(client: httpx2.AsyncClient, database: Database) -> None:
    """A wrong password and an unknown address cannot be told apart, and no session is opened."""
    merchant = await make_merchant(database)
    wrong = await client.post("/sessions", json={"email": merchant.email, "password": "wrong"})
    unknown = await client.post("/sessions", json={"email": f"x-{merchant.email}", "password": PASSWORD})

    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in_failed")
    assert wrong.headers.keys() == unknown.headers.keys()
    assert "set-cookie" not in wrong.headers


async def guess_at_once(client: httpx2.AsyncClient, email: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Send 60 wrong passwords at once and return how many were evaluated."""
    evaluated = []

    def verify(password: str, stored: str | None) -> bool:
        evaluated.append(password)
        return False

    monkeypatch.setattr(sign_in_module, "verify_password", verify)
    body = {"email": email, "password": "guess"}
    answers = await asyncio.gather(*(client.post("/sessions", json=body) for _ in range(60)))
    assert {answer.status_code for answer in answers} <= {401, 429}
    return len(evaluated)


async def test_guesses_at_once_stop_at_the_limit(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 simultaneous guesses ten are evaluated; the refusal says when to come back, and then one may."""
    merchant = await make_merchant(database)

    assert await guess_at_once(client, merchant.email, monkeypatch) == 10
    monkeypatch.undo()
    body = {"email": merchant.email, "password": PASSWORD}
    blocked = await client.post("/sessions", json=body)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "rate_limited")
    assert blocked.json()["retry_at"] == "2026-11-20T09:15:00Z"
    assert blocked.headers["retry-after"] == "900"
    clock.advance(minutes=15)
    assert (await client.post("/sessions", json=body)).status_code == 201


async def test_control_without_reservation_every_guess_counts(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reservation taken away all 60 guesses are evaluated: the test above can fail."""
    merchant = await make_merchant(database)

    async def reserve_nothing(*_values: Any, **_options: Any) -> None:
        return None

    monkeypatch.setattr(sign_in_module, "reserve_attempt", reserve_nothing)

    assert await guess_at_once(client, merchant.email, monkeypatch) == 60


async def test_right_passwords_use_up_nothing(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """A right password gives its place back: the twentieth sign-in works like the first."""
    merchant = await make_merchant(database)
    clock.advance(hours=2)

    body = {"email": merchant.email, "password": PASSWORD}
    assert {(await client.post("/sessions", json=body)).status_code for _ in range(12)} == {201}


async def test_session_ends_by_time_and_by_hand(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """A session lives while it is used, ends after a week without use, and at once when revoked."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)
    for _ in range(4):
        clock.advance(days=6)
        assert (await client.get("/sessions")).status_code == 200
    clock.advance(days=6)
    assert (await client.get("/sessions")).status_code == 401  # 30 days after it was opened
    await client.post("/sessions", json={"email": merchant.email, "password": PASSWORD})
    clock.advance(days=7)
    assert (await client.get("/sessions")).status_code == 401
    await client.post("/sessions", json={"email": merchant.email, "password": PASSWORD})
    assert (await client.delete("/sessions/current")).status_code == 204
    assert (await client.get("/sessions")).status_code == 401


async def test_foreign_session_cannot_be_ended(client: httpx2.AsyncClient, database: Database) -> None:
    """Another merchant's session is not found, and stays open."""
    mine, other = await make_merchant(database), await make_merchant(database)
    async with tenant_scope(database, other.id) as session:
        (foreign,) = (await session.execute(select(MerchantSession.id))).scalars()
    client.cookies.update(mine.cookies)

    response = await client.delete(f"/sessions/{foreign}")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    async with tenant_scope(database, other.id) as session:
        assert (await session.execute(select(MerchantSession.revoked_at))).scalar_one() is None


@pytest.mark.parametrize("damage", ["", "x", "a.b.c", "....", "é"])
async def test_odd_cookies_are_nobody(client: httpx2.AsyncClient, database: Database, damage: str) -> None:
    """A damaged cookie, and one merchant's secret under another's id, open nothing."""
    mine, other = await make_merchant(database), await make_merchant(database)
    ((name, value),) = mine.cookies.items()
    merchant_part = next(iter(other.cookies.values())).partition(".")[0]
    swapped = f"{merchant_part}.{value.partition('.')[2]}"
    for text in (damage, swapped, value + "x"):
        response = await client.get("/sessions", headers={"cookie": f"{name}={text}".encode()})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_reset_sets_the_password_once(
    client: httpx2.AsyncClient, process: Process, database: Database, admin: Any
) -> None:
    """The mailed token sets the new password once, ends the old sessions, and the old password with them."""
    merchant = await make_merchant(database)
    asked = await client.post("/password-resets", json={"email": merchant.email})
    ((kind, text),) = await mails_to(process, admin, merchant.email)
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
    client: httpx2.AsyncClient, process: Process, database: Database, admin: Any, email: str
) -> None:
    """Known and unknown addresses get one answer; the unknown one gets a mail without a token."""
    merchant = await make_merchant(database)
    known = await client.post("/password-resets", json={"email": merchant.email})
    unknown = await client.post("/password-resets", json={"email": email})

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    ((_kind, text),) = await mails_to(process, admin, email)
    assert LINK.search(text) is None


async def test_two_resets_at_once_set_one_password(
    client: httpx2.AsyncClient, process: Process, database: Database, admin: Any
) -> None:
    """A token sent twice at the same moment works once."""
    merchant = await make_merchant(database)
    await client.post("/password-resets", json={"email": merchant.email})
    ((_kind, text),) = await mails_to(process, admin, merchant.email)
    bodies = [{"token": token_of(text), "password": f"tulip-ocean-{n}-lamp"} for n in range(4)]

    answers = await asyncio.gather(*(client.post("/password-resets/confirm", json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]


async def test_api_key_does_what_its_scopes_say(client: httpx2.AsyncClient, database: Database) -> None:
    """A key opens what it was given, nothing else, and nothing once revoked; only its hash is stored."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)
    body = {"name": "Till", "scopes": ["stores.view"]}
    made = (await client.post("/api-keys", json=body, headers={"Idempotency-Key": "k1"})).json()
    again = (await client.post("/api-keys", json=body, headers={"Idempotency-Key": "k1"})).json()
    listed = (await client.get("/api-keys")).json()["api_keys"]
    owner = dict(client.cookies)
    client.cookies.clear()
    header = {"Authorization": f"Bearer {made['key']}"}

    assert made["key"].startswith(f"sk_{merchant.id.hex}_")
    assert again == made
    assert [row["name"] for row in listed] == ["Till"]
    assert "key" not in listed[0]
    assert (await client.get("/stores", headers=header)).status_code == 200
    refused = await client.post("/stores", json={"name": "A", "loyalty_type": "stamps"}, headers=header)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await client.get("/api-keys", headers=header)).status_code == 401
    async with tenant_scope(database, merchant.id) as session:
        (row,) = (await session.execute(select(ApiKey))).scalars()
    assert made["key"].split("_", 3)[3].encode() not in row.secret_hash
    assert row.last_used_at is not None
    client.cookies.update(owner)
    assert (await client.delete(f"/api-keys/{made['id']}")).status_code == 204
    client.cookies.clear()
    assert (await client.get("/stores", headers=header)).status_code == 401


async def test_wrong_key_does_not_fall_back_to_the_cookie(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """A wrong key beside a good cookie is refused."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)
    forged = f"sk_{merchant.id.hex}_{new_id().hex}_{'x' * 43}"
    for value in (forged, "sk_", "sk_a_b_c", "nonsense"):
        response = await client.get("/stores", headers={"Authorization": f"Bearer {value}"})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("scopes", [[], ["merchant.edit"], ["nothing.known"], "stores.view", [1]])
async def test_unusable_scopes_are_refused(
    client: httpx2.AsyncClient, database: Database, scopes: Any
) -> None:
    """A key without scopes, or with scopes that keys cannot have, is not made."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)

    response = await client.post("/api-keys", json={"name": "Till", "scopes": scopes})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert (await client.get("/api-keys")).json()["api_keys"] == []


async def test_foreign_key_cannot_be_revoked(client: httpx2.AsyncClient, database: Database) -> None:
    """Another merchant's key is not found, and keeps working."""
    mine, other = await make_merchant(database), await make_merchant(database)
    client.cookies.update(other.cookies)
    made = (await client.post("/api-keys", json={"name": "Till", "scopes": ["stores.view"]})).json()
    client.cookies.clear()
    client.cookies.update(mine.cookies)

    response = await client.delete(f"/api-keys/{made['id']}")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    client.cookies.clear()
    header = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.get("/stores", headers=header)).status_code == 200


async def test_sweep_forgets_what_has_ended(
    client: httpx2.AsyncClient, process: Process, admin: Any, clock: FixedClock, email: str
) -> None:
    """Sign-ups that were never finished go, open sessions stay."""
    from app.kernel.jobs import JobContext
    from app.modules.accounts.jobs import sweep
    from app.modules.accounts.models import SignUp

    await sign_up(client, email)
    clock.at += timedelta(hours=24)
    context = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    await sweep.run(context)

    async with admin() as session:
        left = (await session.execute(select(SignUp).where(SignUp.email == email))).all()
        assert (await session.execute(select(Merchant.id).limit(1))).first() is not None
    assert left == []
