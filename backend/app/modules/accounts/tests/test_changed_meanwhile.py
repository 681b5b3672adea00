"""A password that is changed while it is being verified: what was right a moment ago opens nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.modules.accounts.factories import PASSWORD
from app.modules.accounts.models import HalfSignIn, MerchantSession
from app.modules.accounts.own import service as own_module
from app.modules.accounts.signing_in import service as sign_in_module
from app.modules.accounts.tests.helpers import NEW_PASSWORD, send, sign_in, token_to
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.process import Process
from tests.waiting import Signal

HashThread = Callable[..., Any]


class Gate:
    """Holds back whatever has just been verified until the test lets it go on."""

    def __init__(self, thread: HashThread) -> None:
        """Wrap the pool of hashing threads."""
        self.thread, self.verified, self.go_on = thread, Signal(), Signal()

    async def __call__(self, work: Callable[..., Any], *values: Any) -> Any:
        """Do the work; the first result waits at the gate, later ones pass."""
        result = await self.thread(work, *values)
        if not self.verified.is_set():
            self.verified.set()
            await self.go_on.wait()
        return result


async def sign_in_across_a_reset(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, monkeypatch: pytest.MonkeyPatch
) -> httpx2.Response:
    """Verify the old password, reset it by mail, then let the sign-in go on."""
    await client.post("/password-resets", json={"email": merchant.email})
    token = await token_to(process, merchant.email, "password_reset")
    gate = Gate(sign_in_module.in_hash_thread)
    monkeypatch.setattr(sign_in_module, "in_hash_thread", gate)
    waiting = asyncio.create_task(sign_in(client, merchant.email))
    await gate.verified.wait()
    body = {"token": token, "password": NEW_PASSWORD}
    reset = await client.post("/password-resets/confirm", json=body)
    assert reset.status_code == 201, reset.text
    gate.go_on.set()
    return await waiting


async def open_sessions(database: Database, merchant: MadeMerchant) -> int:
    """Count the business's sessions that have not ended."""
    async with tenant_scope(database, merchant.id) as session:
        statement = select(func.count()).select_from(MerchantSession)
        return int(await session.scalar(statement.where(MerchantSession.revoked_at.is_(None))) or 0)


async def test_a_password_verified_before_a_reset_opens_no_session_after_it(
    client: httpx2.AsyncClient, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign-in is refused like a wrong password; the only open session is the one of the reset."""
    merchant = await make_merchant(database)

    answer = await sign_in_across_a_reset(client, process, merchant, monkeypatch)

    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_failed")
    assert await open_sessions(database, merchant) == 1


async def test_control_without_the_second_look_the_old_password_opens_one(
    client: httpx2.AsyncClient, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody looks again, the old password opens a session after it was replaced."""
    merchant = await make_merchant(database)

    async def hold_nothing(*_values: Any) -> bool:
        return True

    monkeypatch.setattr(sign_in_module, "hold_sign_in", hold_nothing)

    answer = await sign_in_across_a_reset(client, process, merchant, monkeypatch)

    assert answer.status_code == 201
    assert await open_sessions(database, merchant) == 2


async def test_the_sign_in_form_begins_no_half_sign_in_after_a_reset(
    client: httpx2.AsyncClient, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, too, looks again, before a session or a question for the second factor."""
    merchant = await make_merchant(database)
    await client.post("/password-resets", json={"email": merchant.email})
    token = await token_to(process, merchant.email, "password_reset")
    gate = Gate(sign_in_module.in_hash_thread)
    monkeypatch.setattr(sign_in_module, "in_hash_thread", gate)
    form = {"email": merchant.email, "password": PASSWORD}
    waiting = asyncio.create_task(send(client, "/sign-in", form))
    await gate.verified.wait()
    body = {"token": token, "password": NEW_PASSWORD}
    assert (await client.post("/password-resets/confirm", json=body)).status_code == 201
    gate.go_on.set()

    assert (await waiting).status_code == 401
    assert await open_sessions(database, merchant) == 1
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(HalfSignIn)) == 0


async def test_a_change_confirmed_before_a_reset_does_not_overwrite_it(
    client: httpx2.AsyncClient, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's own change of the password, confirmed a moment before the owner's reset, comes too late."""
    merchant = await make_merchant(database)
    await client.post("/password-resets", json={"email": merchant.email})
    token = await token_to(process, merchant.email, "password_reset")
    gate = Gate(own_module.in_hash_thread)
    monkeypatch.setattr(own_module, "in_hash_thread", gate)
    change = {"current_password": PASSWORD, "password": "strangers-granite-violin-9"}
    waiting = asyncio.create_task(client.put("/account/password", json=change, headers=merchant.headers))
    await gate.verified.wait()
    body = {"token": token, "password": NEW_PASSWORD}
    assert (await client.post("/password-resets/confirm", json=body)).status_code == 201
    gate.go_on.set()

    answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (403, "password_wrong")
    client.cookies.clear()
    assert (await sign_in(client, merchant.email, NEW_PASSWORD)).status_code == 201
