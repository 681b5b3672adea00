"""Signing in where a second factor is asked: the code, and the state between password and code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.hooks import SIGN_IN_FACTOR, MemberRef
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.half import FACTOR_TRIES_MAX, find_half_sign_in, try_half_sign_in
from app.modules.accounts.signing_in.service import finish_sign_in
from app.modules.accounts.signing_in.sessions import SignedIn
from app.modules.accounts.tests.helpers import (
    NEW_PASSWORD,
    send,
    sign_in,
    token_to,
)
from app.modules.merchants.factories import MadeMerchant
from app.process import Process

pytestmark = pytest.mark.usefixtures("fresh_limits")


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
