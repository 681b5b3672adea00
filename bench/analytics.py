"""Figures of one merchant with many events: database time of the home and of each page of figures, from roll-ups.

Run: ./stempel bench analytics [--events 10000000]. The events are made in SQL in a database of the moment, after a
look at the disk; then the roll-ups are counted as `./stempel rebuild-analytics` does, and every page is asked for in
turn. The limit beside them: the same daily visits from the raw rows. Nothing is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "backend"))

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade
from app.db.session import Database, tenant_scope, to_async_url
from app.kernel.clock import FixedClock
from app.kernel.permissions import Principal
from app.kernel.points import REPORT_VIEW, PageContext
from app.kernel.reports import Period, ReportContext
from app.modules.analytics.counting.service import begin_counting, continue_counting, count_pending, leave_pending
from app.modules.analytics.home import home_blocks
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.process import build_process
from app.utils.security import Keyring

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BYTES_AN_EVENT = 900
ROWS_A_BATCH = 100_000
PASSWORDS = {"app_password": "app", "system_password": "system"}
GOAL_MS = 100

# UUIDv7 of a moment: the visit lands in its month's partition, as real ones do.
_ID = "lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({salt}), 1, 3) || '8' || substr(md5({salt}), 4, 15)"
_CARDS = """
INSERT INTO customer (merchant_id, id, name, locale, created_at)
SELECT :m, md5('customer' || n)::uuid, 'Customer ' || n, 'en', CAST(:now AS timestamptz) - interval '730 days'
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"""
_PASSES = """
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, status, created_at, stamp_count)
SELECT :m, md5('card' || n)::uuid, md5('customer' || n)::uuid, CAST(:s AS uuid), CAST(:p AS uuid), 'B' || n, 'active',
       CAST(:now AS timestamptz) - make_interval(days => 1 + n % 700), n % 10
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"""
# Customers differ: a fifth of them makes most of the visits, as everywhere. The stores are open twelve hours a day.
_VISITS = f"""
INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, staff_id, source, amount_minor, currency, stamps, points, at)
SELECT :m, ({_ID.format(at='at', salt="n::text")})::uuid, (CAST(:stores AS uuid[]))[1 + n % 4], md5('card' || (1 + (pow(random(), 3) * (:cards - 1))::int))::uuid,
       'pin', md5('staff' || n % 12)::uuid, 'staff_device', 300 + (n % 40) * 50, 'EUR', 1, 3, at
FROM (SELECT n, date_trunc('day', CAST(:now AS timestamptz)) - make_interval(days => 1 + (random() * 363)::int) + interval '6 hours' + random() * interval '12 hours' AS at
      FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n) AS made"""


def db_time(database: Database) -> list[float]:
    """Return a list to which the time of every statement is added, as the client sees it."""
    times: list[float] = []
    started: dict[int, float] = {}

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def begin(_c: Any, cursor: Any, *_rest: Any) -> None:
        started[id(cursor)] = time.perf_counter()

    @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
    def end(_c: Any, cursor: Any, *_rest: Any) -> None:
        times.append(time.perf_counter() - started.pop(id(cursor)))

    return times


async def fill(database: Database, options: argparse.Namespace) -> tuple[UUID, list[Any]]:
    """Make the merchant with its events; returns its id and stores."""
    merchant = await make_merchant(database)
    stores = [await make_store(database, merchant, "hybrid", name=f"Store {n}") for n in range(4)]
    cards = max(1000, options.events // 20)
    values: dict[str, Any] = {
        "m": merchant.id, "s": stores[0].id, "p": stores[0].program.id, "cards": cards, "now": NOW,
        "stores": [store.id for store in stores],
    }  # fmt: skip
    for statement in (_CARDS, _PASSES):
        for first in range(1, cards + 1, ROWS_A_BATCH):
            part = {**values, "first": first, "last": min(first + ROWS_A_BATCH - 1, cards)}
            async with tenant_scope(database, merchant.id) as session:
                await session.execute(text("SET LOCAL statement_timeout = '10min'"))
                await session.execute(text(statement), part)
    for first in range(1, options.events + 1, ROWS_A_BATCH):
        last = min(first + ROWS_A_BATCH - 1, options.events)
        async with tenant_scope(database, merchant.id) as session:
            await session.execute(text("SET LOCAL statement_timeout = '10min'"))
            await session.execute(text(_VISITS), {**values, "first": first, "last": last})
        print(f"  {last:,} events", flush=True)
    return merchant.id, stores


async def analyze(admin_url: str) -> None:
    """Do what autovacuum does within minutes of such a load."""
    engine = create_async_engine(to_async_url(admin_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await engine.dispose()


async def pages(database: Database, merchant_id: UUID, times: list[float]) -> dict[str, list[float]]:
    """Ask for each page several times and return the database's milliseconds."""
    principal = Principal(
        "member", merchant_id, None, role="owner", scopes=frozenset({"dashboard.view", "analytics.view"})
    )
    found: dict[str, list[float]] = {}
    for _round in range(7):
        for days in (28, 364):
            period = Period(NOW.date() - timedelta(days=days - 1), NOW.date())
            before = Period(period.start - timedelta(days=days), period.end - timedelta(days=days))
            for key, view in REPORT_VIEW.items():
                if not view.ranged and days == 364:
                    continue
                async with tenant_scope(database, merchant_id) as session:
                    context = ReportContext(
                        session, merchant_id, NOW, NOW.date(), "Europe/Luxembourg", "EUR", period, before
                    )
                    times.clear()
                    await view.load(context)
                found.setdefault(f"{key} {days} days" if view.ranged else key, []).append(sum(times) * 1000)
        async with tenant_scope(database, merchant_id) as session:
            times.clear()
            await home_blocks(PageContext(session, principal, NOW))
        found.setdefault("home", []).append(sum(times) * 1000)
    return found


async def run(settings: Settings, options: argparse.Namespace, admin_url: str) -> bool:
    """Fill, count, ask, print; tell whether every page stays below the goal."""
    process = build_process(settings, clock=FixedClock(NOW), keyring=Keyring.for_tests())
    database = process.database
    times = db_time(database)
    begun = time.perf_counter()
    merchant_id, _stores = await fill(database, options)
    await analyze(admin_url)
    print(f"made {options.events:,} events in {time.perf_counter() - begun:.0f} s", flush=True)
    begun = time.perf_counter()
    async with tenant_scope(database, merchant_id) as session:
        await begin_counting(session, merchant_id, now=NOW)
    more = True
    while more:
        async with tenant_scope(database, merchant_id) as session:
            more = await continue_counting(session, merchant_id, now=NOW)
    print(f"counted them in {time.perf_counter() - begun:.0f} s", flush=True)
    fresh = []
    for number in range(1, 8):
        async with tenant_scope(database, merchant_id) as session:
            cards = await session.scalars(
                text("SELECT id FROM pass_object WHERE merchant_id = :m OFFSET :n LIMIT 40"),
                {"m": merchant_id, "n": number * 100},
            )
            await leave_pending(session, [(merchant_id, card) for card in cards])
        begun = time.perf_counter()
        async with tenant_scope(database, merchant_id) as session:
            await count_pending(session, merchant_id, now=NOW)
        fresh.append((time.perf_counter() - begun) * 1000)
    print(f"counting 40 changed cards: {statistics.median(fresh):.0f} ms")
    raw = []
    for _round in range(3):
        async with tenant_scope(database, merchant_id) as session:
            await session.execute(text("SET LOCAL statement_timeout = '10min'"))
            begun = time.perf_counter()
            await session.execute(
                text(
                    "SELECT (at AT TIME ZONE 'Europe/Luxembourg')::date, count(*) FROM visit WHERE merchant_id = :m"
                    " AND voided_at IS NULL AND at >= :since GROUP BY 1"
                ),
                {"m": merchant_id, "since": NOW - timedelta(days=90)},
            )
            raw.append((time.perf_counter() - begun) * 1000)
    limit = statistics.median(raw)
    print(f"raw rows, daily visits of 90 days: {limit:.0f} ms")
    found = await pages(database, merchant_id, times)
    for name, all_times in found.items():
        middle = statistics.median(all_times)
        print(f"{name:24} {middle:7.1f} ms  ({min(all_times):.1f} to {max(all_times):.1f})  raw/this {limit / middle:6.1f}")
    await process.aclose()
    return all(statistics.median(values) < GOAL_MS for values in found.values())


def main() -> None:
    """Measure and print; with --at-most-goal, exit 1 where a page is above it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--at-most-goal", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stempel-bench-"))
    needed, free = options.events * BYTES_AN_EVENT, shutil.disk_usage(folder).free
    if free < needed * 1.5:
        raise SystemExit(f"{needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} GB are free.")
    server = EmbeddedPostgres(
        folder / "pg",
        settings={"fsync": "off", "synchronous_commit": "off", "max_wal_size": "4GB", "shared_buffers": "512MB"},
    )
    server.start()
    try:
        upgrade(server.admin_url, **PASSWORDS)
        settings = Settings(
            database_url=server.url("stempel_app", "app"),
            database_system_url=server.url("stempel_system", "system"),
            database_admin_url=server.admin_url,
            database_allow_async_commit=True,
            data_dir=folder / "data",
            public_url="http://localhost",
            demo=True,
            log_level="WARNING",
        )
        met = asyncio.run(run(settings, options, server.admin_url))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"goal of {GOAL_MS} ms {'met' if met else 'not met'} on every page")
    if options.at_most_goal and not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
