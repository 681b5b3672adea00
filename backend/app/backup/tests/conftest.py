"""One drill for all tests here: a shop on one machine, its backup, and another machine that it was restored on."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from app.backup.restoring import Outcome
from app.backup.tests.machines import back_up, empty_machine, put_back, run_as_owner, running, used_machine
from app.config import Settings
from app.db.session import tenant_scope
from app.kernel.backups import BackupRun, last_backup
from app.kernel.clock import FixedClock
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.tests.test_device import Phone
from app.modules.wallets.marks import assign_update_tag
from app.process import Process

LATE = "INSERT INTO update_counter VALUES ('late', 1)"
LATE_ROWS = "SELECT count(*) FROM update_counter WHERE name = 'late'"
OWN_FILES = (
    "badges/add-de.svg",
    "postgres/base/1",
    "postgres.password",
    "web.log",
    "backups/x",
    "secrets/other.pem",
)


@dataclass
class Shop:
    """What a shop, its staff and a customer hold when the machine burns down."""

    store_id: UUID
    merchant_id: UUID
    pin: str
    card: MadeCard
    phone: Phone
    tag: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def stamp(self, client: Any) -> Any:
        """Give a stamp on the customer's phone."""
        body = {"pass_id": str(self.card.id), "staff_pin": self.pin}
        return await client.post(f"/stamp/{self.store_id}", json=body)

    async def refresh(self, process: Process) -> None:
        """Do what the worker does with the card's mark."""
        async with tenant_scope(process.database, self.merchant_id) as session:
            await assign_update_tag(session, self.merchant_id, self.card.id)


@dataclass(frozen=True)
class Drill:
    """What was left of the old machine, and the new one as it runs."""

    old: Settings
    shop: Shop
    file: Path
    marker: BackupRun | None
    steps: list[str]
    late_rows: int
    outcome: Outcome
    new: Settings
    process: Process
    client: Any


async def open_shop(process: Process, client: Any) -> Shop:
    """Open a shop: a stamp was given, a phone has the pass and knows the state of now."""
    database = process.database
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, cooldown_minutes=0, stamps_needed=30)
    _, pin = await make_staff(database, store)
    card = await make_card(database, store, name="Anna Muster", email="anna@example.com")
    phone = Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32))
    await phone.add(card)
    await phone.register(str(card.id))
    shop = Shop(store.id, store.merchant_id, pin, card, phone, headers=merchant.headers)
    assert (await shop.stamp(client)).json()["stamp_count"] == 1
    return shop


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def drill(
    process: Process, clock: FixedClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Drill]:
    """Take a backup while something is written, lose what came after it, and restore it elsewhere."""
    base = tmp_path_factory.mktemp("drill")
    (base / "pass.p12").write_bytes(b"\0certificate")
    steps: list[str] = []
    with used_machine(base / "old") as old:

        def write_meanwhile(step: str) -> None:
            if not steps:
                run_as_owner(old.database_admin_url, LATE)
            steps.append(step.partition(" ")[2])

        for name in OWN_FILES:
            path = old.data_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        async with running(old, clock) as (first, client):
            shop = await open_shop(first, client)
            certified = old.model_copy(update={"apple_certificate": str(base / "pass.p12")})
            file = await back_up(certified, clock, say=write_meanwhile)
            # Two refreshes that reach the phone and are in no backup.
            await shop.refresh(first)
            await shop.refresh(first)
            shop.tag = (await shop.phone.changed()).json()["lastUpdated"]
            late_rows = run_as_owner(old.database_admin_url, LATE_ROWS)[0][0]
            async with first.database.sessions() as session:
                marker = await last_backup(session)
    with empty_machine(base / "new") as new:
        outcome = await put_back(new, file, clock)
        async with running(new, clock) as (second, client):
            shop.phone.client = client
            yield Drill(old, shop, file, marker, steps, late_rows, outcome, new, second, client)
    process.registry.bind()
