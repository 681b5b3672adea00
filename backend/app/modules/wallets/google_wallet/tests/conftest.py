"""A merchant with a Google account whose REST API is a socket of the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.google_wallet import adapters
from app.modules.wallets.google_wallet.accounts import make_key_file
from app.modules.wallets.google_wallet.adapters import GoogleClient
from app.modules.wallets.google_wallet.models import GoogleObjectRow
from app.modules.wallets.google_wallet.rules import object_id
from app.modules.wallets.google_wallet.store import expect_object
from app.modules.wallets.google_wallet.tests.wire import Wire, running_wire
from app.modules.wallets.public import mark_changed
from app.process import Process
from app.utils.id_generator import new_id


@dataclass
class Shop:
    """A shop on the wire."""

    process: Process
    clock: FixedClock
    wire: Wire
    merchant: Any
    store: Any
    runner: JobRunner
    issuer_id: str

    @property
    def database(self) -> Database:
        """Return the database."""
        return self.process.database

    async def card(self, **over: Any) -> MadeCard:
        """Make a card."""
        card = await make_card(self.database, self.store, **over)
        async with tenant_scope(self.database, card.merchant_id) as session:
            key = object_id(self.issuer_id, card.merchant_id, card.id)
            await expect_object(session, card.merchant_id, card.id, object_id=key)
        return card

    async def change(self, card: MadeCard, **columns: Any) -> None:
        """Change a card's row and mark it, as a visit does."""
        from sqlalchemy import update

        from app.modules.cards.models import PassObject

        async with tenant_scope(self.database, card.merchant_id) as session:
            await session.execute(
                update(PassObject)
                .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
                .values(**columns)
            )
            await mark_changed(session, card.merchant_id, card.id)

    async def row(self, card: MadeCard) -> GoogleObjectRow:
        """Return what is known of a card's object."""
        async with tenant_scope(self.database, card.merchant_id) as session:
            row = await session.get(GoogleObjectRow, (card.merchant_id, card.id))
            assert row is not None
            return row

    def google(self, card: MadeCard) -> dict[str, Any]:
        """Return the object as Google has it."""
        object_id = f"{self.issuer_id}.c-{card.merchant_id.hex}-{card.id.hex}"
        found = self.wire.stand_in.find("loyaltyObject", object_id)
        assert found is not None
        return found

    async def converge(self, *, hours: float = 2) -> int:
        """Let the simulated time pass, a minute a step, with the worker running; returns the tries."""
        tries = 0
        for _ in range(int(hours * 60)):
            drained = await self.runner.drain()
            tries += drained.tried_again
            if not drained.tried_again and not await self._is_waiting():
                return tries
            self.clock.at += timedelta(minutes=1)
        raise AssertionError("did not converge")

    async def _is_waiting(self) -> bool:
        from sqlalchemy import text

        from app.db.session import system_scope

        async with system_scope(self.database) as session:
            query = (
                "SELECT count(*) FROM pgqueuer"
                " WHERE entrypoint = 'wallets.refresh_card' AND status <> 'failed'"
            )
            return bool(await session.scalar(text(query)))


@pytest_asyncio.fixture(loop_scope="session")
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """Return Google on a socket."""
    async with running_wire(tmp_path / "google") as wire:
        yield wire


@pytest.fixture(scope="session")
def key_text() -> dict[str, str]:
    """Return a service account's key for the run."""
    return make_key_file("wallet@shop-1234.iam.gserviceaccount.com")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on an answer soon: for tests in which none comes. In others a busy machine may take its time."""
    monkeypatch.setattr(adapters, "ANSWER_SECONDS_MAX", 1.5)
    monkeypatch.setattr(adapters, "CONNECT_SECONDS_MAX", 1.5)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(
    process: Process,
    clock: FixedClock,
    wire: Wire,
    tmp_path: Path,
    key_text: dict[str, str],
) -> AsyncIterator[Shop]:
    """Return a shop whose operator's account leads to the wire; each test has an issuer of its own."""
    path = tmp_path / "service-account.json"
    path.write_text(json.dumps(key_text | {"token_uri": f"{wire.url}/token"}))
    issuer_id = str(3388000000000000000 + new_id().int % 10**15)
    over = {"google_service_account": path, "google_issuer_id": issuer_id, "google_api_url": wire.url}
    settings = process.settings.model_copy(update=over)
    process.resources.put(Settings, settings)
    client = GoogleClient(settings)
    old = process.resources.get(GoogleClient)
    process.resources.put(GoogleClient, client)
    runner = JobRunner(process.database, process.registry, settings, clock, resources=process.resources)
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant, "hybrid")
    await runner.drain()
    wire.calls.clear()
    wire.times.clear()
    yield Shop(process, clock, wire, merchant, store, runner, issuer_id)
    await client.aclose()
    process.resources.put(GoogleClient, old)
    process.resources.put(Settings, process.settings)
