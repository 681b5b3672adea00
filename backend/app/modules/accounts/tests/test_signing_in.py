"""Signing in and sessions: what opens one, what is counted, and what ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.models import MerchantSession
from app.modules.accounts.signing_in import service as sign_in_module
from app.modules.merchants.factories import make_merchant

pytestmark = pytest.mark.usefixtures("fresh_limits")


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
