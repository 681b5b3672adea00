"""PgBouncer in transaction mode in front of the real app: each transaction may meet another server connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.marks import mark_changed
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.system.test_services import bouncer  # noqa: F401 (a fixture)

pytestmark = pytest.mark.system

AT_ONCE = 24  # over three server connections
ROUNDS = 10
REPEATS_MAX = 20
TENANT = text("SELECT nullif(current_setting('stempel.merchant_id', true), '')")
LASTING = "SELECT set_config('stempel.merchant_id', '{}', false)"


@pytest.fixture
def settings_behind(bouncer: str, settings: Settings) -> Settings:  # noqa: F811 (the fixture)
    """Return the settings of a process behind PgBouncer."""
    return settings.model_copy(
        update={
            "database_url": bouncer,
            "database_system_url": bouncer.replace("stempel_app:app", "stempel_system:system"),
            "database_pgbouncer": True,
            "database_pool_size": AT_ONCE,
        }
    )


@pytest_asyncio.fixture(loop_scope="session")
async def behind(settings_behind: Settings, clock: FixedClock, process: Process) -> AsyncIterator[Process]:
    """Yield an opened process behind PgBouncer."""
    made = build_process(settings_behind, clock=clock, keyring=process.resources.get(Keyring))
    await made.open()
    yield made
    await made.aclose()
    process.registry.bind()


async def tenants_seen(database: Database) -> list[tuple[UUID, str | None, str | None]]:
    """Let many transactions of many merchants run at once; return whom each was, saw, and left behind."""

    async def one() -> tuple[UUID, str | None, str | None]:
        merchant_id = uuid4()
        async with tenant_scope(database, merchant_id) as session:
            await session.execute(text("SELECT pg_sleep(0.005)"))
            bound = await session.scalar(TENANT)
        async with database.sessions() as session:
            return merchant_id, bound, await session.scalar(TENANT)

    async with asyncio.timeout(60):
        return [
            found for _ in range(ROUNDS) for found in await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        ]


async def test_no_transaction_sees_another_ones_merchant(behind: Process) -> None:
    """Bound to its own merchant inside, to none afterwards: 240 transactions on three server connections."""
    seen = await tenants_seen(behind.database)

    assert [(str(merchant), None) for merchant, _bound, _left in seen] == [
        (bound, left) for _merchant, bound, left in seen
    ]


async def test_a_lasting_setting_would_leak(behind: Process) -> None:
    """The control: set for the session instead of the transaction, a merchant is seen by those who come after."""
    planted = str(uuid4())
    async with behind.database.sessions() as session, session.begin():
        await session.execute(text(LASTING.format(planted)))
    try:
        left = {left for _merchant, _bound, left in await tenants_seen(behind.database)}
    finally:
        await clean_servers(behind.database)

    assert planted in left


async def clean_servers(database: Database) -> None:
    """Take the planted setting from every server connection: all three are held at once."""
    sessions = [database.sessions() for _ in range(3)]
    for session in sessions:
        await session.execute(text(LASTING.format("")))
    for session in sessions:
        await session.commit()
        await session.close()


async def repeat_a_statement(database: Database) -> list[BaseException]:
    """Run one statement with changing values many times at once, and return what was raised."""

    async def one(number: int) -> None:
        async with database.sessions() as session:
            found = await session.scalar(text("SELECT CAST(:number AS int) + 1"), {"number": number})
            assert found == number + 1

    raised: list[BaseException] = []
    async with asyncio.timeout(60):
        for _ in range(ROUNDS):
            answers = await asyncio.gather(*(one(n) for n in range(AT_ONCE)), return_exceptions=True)
            raised += [answer for answer in answers if isinstance(answer, BaseException)]
    return raised


async def test_statements_are_not_looked_for_on_another_server(behind: Process) -> None:
    """The same statement 240 times at once: prepared for its transaction only, none is missed."""
    assert await repeat_a_statement(behind.database) == []


async def test_without_the_setting_statements_get_lost(settings_behind: Settings) -> None:
    """The control: names of prepared statements kept over transactions meet servers that do not know them."""
    database = Database(settings_behind.model_copy(update={"database_pgbouncer": False}))
    raised: list[BaseException] = []
    try:
        # On a busy machine one server may serve them all for a while.
        for _ in range(REPEATS_MAX):
            raised = raised or await repeat_a_statement(database)
    finally:
        await database.aclose()

    assert raised
    assert any("prepared statement" in str(error) for error in raised)


async def test_the_worker_works_behind_it(behind: Process, database: Database) -> None:
    """Marks are taken, jobs run to their end; nothing of the queue needs a connection of its own."""
    store = await make_store(database, await make_merchant(database))
    cards = [await make_card(database, store) for _ in range(5)]
    for card in cards:
        async with tenant_scope(database, card.merchant_id) as session:
            await mark_changed(session, card.merchant_id, card.id)
    runner = JobRunner(
        behind.database, behind.registry, behind.settings, behind.clock, resources=behind.resources
    )
    async with asyncio.timeout(60):
        drained = await runner.drain()
    async with tenant_scope(database, store.merchant_id) as session:
        marks = await session.scalar(text("SELECT count(*) FROM card_refresh"))
        tags: list[Any] = list(await session.scalars(text("SELECT update_tag FROM pass_object")))

    assert drained.done >= 5
    assert drained.dead == 0
    assert marks == 0
    assert min(tags) > 0
