"""Large downloads: made by the worker, few at a time, fetched once by who asked, forgotten afterwards."""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.kernel.permissions import Principal
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import make_card
from app.modules.exports import service as exports_service
from app.modules.exports.jobs import forget_late
from app.modules.exports.service import OrderedFile, order_file
from app.modules.exports.tests.conftest import Shop, read_csv
from app.modules.merchants.factories import make_merchant
from app.process import Process
from tests.waiting import Meeting

MANY = 20_001


async def work(process: Process) -> None:
    """Let the worker do what is due."""
    runner = JobRunner(
        process.database, process.registry, process.settings, process.clock, resources=process.resources
    )
    await runner.drain()


def context_of(process: Process) -> JobContext:
    """Return what the worker gives its jobs."""
    parts = {
        name: getattr(process, name) for name in ("database", "settings", "clock", "registry", "resources")
    }
    return JobContext(**parts)


async def test_a_large_table_is_made_by_the_worker(shop: Shop, process: Process) -> None:
    """It waits on the list, a mail says when it is ready, it is fetched once, and then nothing of it is left."""
    await shop.fill(MANY)
    asked = await shop.ask("customers")
    assert (asked.status_code, asked.headers["location"]) == (303, "/dashboard/exports")
    (file,) = await shop.files()
    assert (file.status, file.rows_expected) == ("waiting", MANY)
    early = await shop.fetch(file.id, shop.merchant)
    assert early.status_code == 404
    await work(process)

    (file,) = await shop.files()
    assert (file.status, file.rows_done) == ("ready", MANY)
    assert await shop.pieces() >= 2
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told = (await session.scalars(text("SELECT recipient FROM outbox_message"))).all()
    assert told == [shop.merchant.email]
    fetched = await shop.fetch(file.id, shop.merchant)
    assert fetched.status_code == 200
    assert len(read_csv(fetched.content)) == MANY + 1
    assert len(fetched.content) == file.size_bytes
    again = await shop.fetch(file.id, shop.merchant)
    assert again.status_code == 404
    assert await shop.pieces() == 0


async def test_a_large_sheet_is_whole(shop: Shop, process: Process) -> None:
    """The pieces of a spreadsheet put together are a spreadsheet with every row."""
    await shop.fill(MANY)
    await shop.ask("customers", "xlsx")
    await work(process)
    (file,) = await shop.files()
    fetched = await shop.fetch(file.id, shop.merchant)
    sheet = zipfile.ZipFile(io.BytesIO(fetched.content)).read("xl/worksheets/sheet1.xml")

    assert sheet.count(b"<row ") == MANY + 1


async def test_a_file_is_only_for_who_asked(shop: Shop, process: Process, client: httpx2.AsyncClient) -> None:
    """Another merchant's owner, and nobody at all, get nothing; the file stays for its own."""
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    (file,) = await shop.files()
    other = await make_merchant(shop.database)
    foreign = await shop.fetch(file.id, other)
    nobody = await shop.fetch(file.id)

    assert foreign.status_code == 404
    assert nobody.status_code in {303, 401}
    assert [one.status for one in await shop.files()] == ["ready"]
    assert await shop.pieces() > 0


async def test_files_are_forgotten_after_a_week(shop: Shop, process: Process, clock: FixedClock) -> None:
    """What nobody fetched is deleted, and the list says so."""
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    clock.at += timedelta(days=7, hours=-1)
    await forget_late(context_of(process))
    assert [one.status for one in await shop.files()] == ["ready"]
    clock.at += timedelta(hours=2)
    await forget_late(context_of(process))

    assert [one.status for one in await shop.files()] == ["gone"]
    assert await shop.pieces() == 0


async def test_an_erased_person_is_in_no_file(shop: Shop, process: Process) -> None:
    """Deleting a person's data empties the files that wait."""
    card = await make_card(shop.database, shop.store, name="Anna")
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    assert await shop.pieces() > 0
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await PERSONAL_DATA.get("exports").erase(session, shop.merchant.id, card.customer_id)

    assert await shop.pieces() == 0
    assert [one.status for one in await shop.files()] == ["gone"]


async def test_only_so_many_at_a_time(shop: Shop) -> None:
    """The fourth large file is refused politely, and nothing is queued for it."""
    await shop.fill(MANY)
    for _file in range(4):
        answer = await shop.ask("customers")
        assert answer.status_code == 303

    assert len(await shop.files()) == 3


async def order_at_once(shop: Shop, clock: FixedClock, *, count: int) -> int:
    """Order so many large files in transactions that all begin before the first one ends; returns how many are kept.

    Each waits, having ordered or been refused, until the others stand where it stood: in the worst place.
    """
    principal = Principal(
        "member",
        shop.merchant.id,
        shop.merchant.owner_id,
        role="owner",
        scopes=frozenset({"customers.export"}),
    )
    ready = Meeting(count)

    async def one() -> object:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await session.execute(text("SELECT 1"))
            await ready.wait()
            return await order_file(session, principal, key="customers", form="csv", now=clock.now())

    outcomes = await asyncio.gather(*(one() for _ in range(count)))
    ordered = sum(isinstance(outcome, OrderedFile) for outcome in outcomes)
    assert len(await shop.files()) == ordered
    return ordered


async def test_orders_at_once_stop_at_the_limit(shop: Shop, clock: FixedClock) -> None:
    """Of eight orders at the same moment three are taken."""
    await shop.fill(MANY)

    assert await order_at_once(shop, clock, count=8) == 3


async def test_control_without_the_lock_more_are_taken(
    shop: Shop, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody waits for the one before, all find a place free."""
    waiting = Meeting(8)

    async def lock_nothing(*_values: Any) -> None:
        return None

    counted = exports_service._under_way

    async def count_together(session: Any, merchant_id: Any) -> int:
        found = await counted(session, merchant_id)
        await waiting.wait()
        return found

    monkeypatch.setattr(exports_service, "lock_name", lock_nothing)
    monkeypatch.setattr(exports_service, "_under_way", count_together)
    await shop.fill(MANY)

    assert await order_at_once(shop, clock, count=8) == 8
