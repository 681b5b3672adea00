"""Figures of one merchant with many events: database time of the home and of each page of figures, from roll-ups.

Run: ./stempel bench analytics [--events 10000000] [--pages-only] [--keep FOLDER]. The events of two years are made in
SQL in a database of the moment, after a look at the disk; the roll-ups are counted as the worker does; then whole pages
are asked for over HTTP in process, and the time of all their statements is added up. Beside them each figure from the
raw rows and from the roll-ups, with the ratio, and how soon a change is shown. Nothing is kept, unless a folder is
named: what was made and counted there is used again by the next run, so that pages alone can be measured in a quiet
moment (`--keep FOLDER --pages-only`); with `--recount` the run counts anew.

The time of the database is what EXPLAIN ANALYZE gives for each statement of a page, planning included, with the plan
that the application's prepared statements have. Beside it stands what the client sees, with its round trips.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx2
from sqlalchemy import text

from analytics_raw import FIGURES, period_of
from analytics_world import EVENTS_A_CUSTOMER, NOW, fill
from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import POLL_INTERVAL
from app.main import create_app
from app.modules.accounts.factories import make_member
from app.modules.analytics.counting import service
from app.modules.analytics.counting.service import begin_counting, continue_counting, forget_old_countings
from app.modules.analytics.jobs import poll_pending
from app.modules.analytics.module import REPORTS
from app.modules.analytics.queries import Books, find_progress, find_value
from app.modules.analytics.value.service import fit_value
from app.modules.wallets.jobs import poll_marks
from app.process import Process, build_process
from app.utils.security import Keyring
from filling import quick_owner
from findings import Figure, Finding
from keeping import follow_models
from noting import Explained, Notes, explain

BYTES_AN_EVENT = 900
PASSWORDS = {"app_password": "app", "system_password": "system"}
GOAL_MS = 100
PAGE_ROUNDS = 7
SLOW_MS = 10
# How often the worker asks, and the poller of refresh marks and that of roll-ups come one after the other.
FRESH_SECONDS_MAX = 10
BURST = 2_000
CHANGED = 40


@dataclass
class Page:
    """What a page took: milliseconds of the database each time, of the client each time, and its slowest statement."""

    alone: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    statements: int = 0
    slowest: Explained | None = None


async def pages(process: Process, merchant_id: UUID, notes: Notes) -> dict[str, Page]:
    """Ask for each page several times over HTTP, and explain all its statements each time."""
    reader = await make_member(process.database, merchant_id, "manager")
    transport = httpx2.ASGITransport(app=create_app(process.settings, process=process))
    paths = {"home": "/dashboard", "customers, the list": "/dashboard/customers"}
    for key, view in REPORTS.items():
        for days in (28, 364) if view.ranged else (28,):
            name = f"{key}, {days} days" if view.ranged else key
            paths[name] = f"/dashboard/analytics/{key}?days={days}"
    found = {name: Page() for name in paths}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", cookies=reader.cookies
    ) as client:
        for turn in range(PAGE_ROUNDS + 1):
            for name, path in paths.items():
                notes.take()
                answer = await client.get(path, headers={"accept": "text/html"})
                assert answer.status_code == 200, (path, answer.status_code)
                if turn:  # the first of each makes plans and fills caches, as once in a process's life
                    await measure(process.database, merchant_id, found[name], notes=notes)
    return found


async def measure(database: Database, merchant_id: UUID, page: Page, *, notes: Notes) -> None:
    """Add one time of a page: as the client saw it, and explained."""
    noted = notes.take()
    page.seen.append(sum(one.seconds for one in noted) * 1000)
    async with tenant_scope(database, merchant_id) as session:
        explained = [await explain(session, one) for one in noted if one.is_read]
    page.statements = len(explained)
    page.alone.append(sum(one.milliseconds for one in explained))
    page.slowest = max(
        (*explained, *([page.slowest] if page.slowest else ())), key=lambda one: one.milliseconds
    )


def print_pages(found: dict[str, Page], *, with_plans: bool) -> None:
    """Print what each page took; with the plan of what is slow, where asked for."""
    for name, page in found.items():
        slowest = page.slowest
        assert slowest is not None
        print(
            f"{name:24} {statistics.median(page.alone):7.1f} ms ({min(page.alone):.1f} to {max(page.alone):.1f})"
            f" in {page.statements} statements, slowest {slowest.milliseconds:.1f};"
            f" the client saw {statistics.median(page.seen):.1f}",
            flush=True,
        )
        if with_plans and slowest.milliseconds > SLOW_MS:
            print(f"  {' '.join(slowest.statement.split())}\n  {json.dumps(slowest.plan)}", flush=True)


def keep_pages(finding: Finding, found: dict[str, Page], worst: float, *, events: int) -> None:
    """Keep what the slowest pages took, and how soon a change is shown."""
    slowest = sorted(found.items(), key=lambda item: -statistics.median(item[1].alone))
    figures = [
        Figure(
            f"database time of {slowest[0][0]}", slowest[0][1].alone, "ms", GOAL_MS, at_most=True, digits=1
        )
    ]
    figures += [Figure(f"database time of {name}", page.alone, "ms", digits=1) for name, page in slowest[1:]]
    figures.append(Figure("a change shown after", [worst], "s", FRESH_SECONDS_MAX, at_most=True, digits=1))
    figures[0] = replace(figures[0], name=f"{figures[0].name}, the slowest page of figures of {len(found)}")
    finding.keep(
        figures,
        on=f"{events:,} events, {events // EVENTS_A_CUSTOMER:,} customers, two years; every statement of each page"
        " explained with its planning",
    )


def worker_of(process: Process) -> JobContext:
    """Return what the worker gives its jobs."""
    names = ("database", "settings", "clock", "registry", "resources")
    return JobContext(**{name: getattr(process, name) for name in names})


async def count_all(database: Database, merchant_id: UUID) -> None:
    """Count the merchant from nothing, as the worker does, and print how long it took."""
    begun = time.perf_counter()
    async with tenant_scope(database, merchant_id) as session:
        await begin_counting(session, merchant_id, now=NOW)
    more = True
    while more:
        async with tenant_scope(database, merchant_id) as session:
            more = await continue_counting(session, merchant_id, now=NOW)
    print(
        f"counted them from nothing in {time.perf_counter() - begun:.0f} s, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    more = True
    while more:  # what an earlier run with the same folder counted
        async with tenant_scope(database, merchant_id) as session:
            more = await forget_old_countings(session, merchant_id)


async def mark(database: Database, merchant_id: UUID, *, cards: int, after: int) -> None:
    """Let cards change: each leaves its refresh mark, as a stamp does."""
    async with tenant_scope(database, merchant_id) as session:
        await session.execute(
            text(
                "INSERT INTO card_refresh (merchant_id, pass_id) SELECT merchant_id, id FROM pass_object"
                " WHERE merchant_id = :m ORDER BY card_number OFFSET :after LIMIT :cards ON CONFLICT DO NOTHING"
            ),
            {"m": merchant_id, "after": after, "cards": cards},
        )


async def freshness(process: Process, merchant_id: UUID) -> float:
    """Print how soon a change stands in the figures, one stamp, forty cards, a burst; return the longest."""
    context = worker_of(process)
    after, longest = 0, 0.0
    for cards, rounds in ((1, 15), (CHANGED, 7), (BURST, 1)):
        spent = []
        for _round in range(rounds):
            await mark(process.database, merchant_id, cards=cards, after=after)
            after += cards
            begun = time.perf_counter()
            while await poll_marks(context) + await poll_pending(context):
                pass
            spent.append(time.perf_counter() - begun)
        # Two pollers that ask in turn: at worst each has just asked.
        worst = max(spent) + 2 * POLL_INTERVAL.total_seconds()
        print(
            f"counting {cards:,} changed: median {statistics.median(spent) * 1000:.0f} ms, shown after"
            f" {worst:.1f} s at the latest (goal {FRESH_SECONDS_MAX})",
            flush=True,
        )
        longest = max(longest, worst)
    return longest


async def compare(database: Database, merchant_id: UUID, *, rounds: int) -> None:
    """Print each figure from the raw rows and from the roll-ups, in turns."""
    today = NOW.date()
    async with tenant_scope(database, merchant_id) as session:
        progress = await find_progress(session, merchant_id)
    assert progress.build is not None
    for name, figure in FIGURES.items():
        period = period_of(figure, today)
        raw, rolled = [], []
        for _round in range(rounds):
            async with tenant_scope(database, merchant_id) as session:
                await session.execute(text("SET LOCAL statement_timeout = '10min'"))
                values = {"m": merchant_id, "since": NOW - timedelta(days=figure.days)}
                used = {key: value for key, value in values.items() if f":{key}" in figure.raw}
                begun = time.perf_counter()
                await session.execute(text(figure.raw), used)
                raw.append((time.perf_counter() - begun) * 1000)
            for _again in range(3):
                async with tenant_scope(database, merchant_id) as session:
                    begun = time.perf_counter()
                    await figure.rollups(Books(session, merchant_id, progress.build), period)
                    rolled.append((time.perf_counter() - begun) * 1000)
        print(
            f"{name:28} raw {statistics.median(raw):8.0f} ms ({min(raw):.0f} to {max(raw):.0f})  roll-ups"
            f" {statistics.median(rolled):6.1f} ms  ratio {statistics.median(raw) / statistics.median(rolled):7.0f}",
            flush=True,
        )


async def run(settings: Settings, options: argparse.Namespace, admin_url: str) -> bool:
    """Fill, count, ask, print; tell whether every page stays below the goal."""
    finding = Finding("analytics")
    process = build_process(
        settings, clock=FixedClock(NOW), keyring=Keyring.load_or_create(settings.data_dir)
    )
    database = process.database
    notes = Notes(database)
    await process.open()
    merchant_id = await world_of(database, options, admin_url)
    await figures_of(process, merchant_id, options, admin_url)
    print(f"load before the pages: {' '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)
    found = await pages(process, merchant_id, notes)
    print_pages(found, with_plans=options.plans)
    worst = await freshness(process, merchant_id)
    keep_pages(finding, found, worst, events=options.events)
    print(f"load: {' '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)
    if not options.pages_only:
        await compare(database, merchant_id, rounds=options.rounds)
    await process.aclose()
    return all(statistics.median(page.alone) < GOAL_MS for page in found.values())


async def figures_of(
    process: Process, merchant_id: UUID, options: argparse.Namespace, admin_url: str
) -> None:
    """Count and fit, where an earlier run with the same folder has not, or where asked to."""
    async with tenant_scope(process.database, merchant_id) as session:
        progress = await find_progress(session, merchant_id)
        value = await find_value(session, merchant_id)
    if options.recount or progress.build is None or progress.recounting:
        await count_all(process.database, merchant_id)
        await analyze(admin_url)
        value = None
    if value is None:
        begun = time.perf_counter()
        await fit_value(replace(worker_of(process), merchant_id=merchant_id))
        print(f"fitted what customers are worth in {time.perf_counter() - begun:.0f} s", flush=True)


async def world_of(database: Database, options: argparse.Namespace, admin_url: str) -> UUID:
    """Return the merchant with its events: made now, or by an earlier run with the same folder."""
    made = options.keep / f"{options.events}.merchant" if options.keep else None
    if made is not None and made.exists():
        print("the events are those of an earlier run", flush=True)
        async with quick_owner(admin_url) as owner:
            added = await follow_models(owner)
        print(f"the tables are today's ({len(added)} changes since)", flush=True)
        return UUID(made.read_text())
    merchant_id = await fill(database, admin_url, options.events)
    if made is not None:
        made.write_text(str(merchant_id))
    return merchant_id


async def analyze(admin_url: str) -> None:
    """Do what autovacuum does within minutes of such a load."""
    async with quick_owner(admin_url) as owner:
        await owner.execute(text("VACUUM (ANALYZE)"))


def main() -> None:
    """Measure and print; with --at-most-goal, exit 1 where a page is above it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument(
        "--rounds", type=int, default=2, help="how often each figure is taken from the raw rows"
    )
    parser.add_argument(
        "--customers-a-batch",
        type=int,
        default=service.CUSTOMERS_A_BATCH,
        help="more than the worker takes at once: a large merchant is counted sooner, to the same figures",
    )
    parser.add_argument(
        "--pages-only", action="store_true", help="leave the raw rows out, which take minutes"
    )
    parser.add_argument("--recount", action="store_true", help="count a kept folder's events anew")
    parser.add_argument("--plans", action="store_true", help="print the plan of a page's slowest statement")
    parser.add_argument("--at-most-goal", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder that the database stays in, for further runs")
    options = parser.parse_args()
    service.CUSTOMERS_A_BATCH = options.customers_a_batch
    folder = options.keep or Path(tempfile.mkdtemp(prefix="stempel-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = options.events * BYTES_AN_EVENT, shutil.disk_usage(folder).free
    is_made = options.keep is not None and (options.keep / f"{options.events}.merchant").exists()
    if free < needed * 1.5 and not is_made:
        raise SystemExit(f"{needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} GB are free.")
    server = EmbeddedPostgres(
        folder / "pg",
        settings={
            "fsync": "off",
            "synchronous_commit": "off",
            "max_wal_size": "4GB",
            "shared_buffers": "512MB",
        },
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
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"goal of {GOAL_MS} ms {'met' if met else 'not met'} on every page")
    if options.at_most_goal and not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
