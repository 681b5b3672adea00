"""Searching among the customers of one merchant: milliseconds a search below row-level security, by each of its ways.

Run: ./stempel bench customer_search [--customers 500000] [--at-most 20]. The customers are made in SQL in a database of
the moment; each kind of search is asked for many times with texts that find somebody. The limit beside them: ILIKE over
the same rows, which is what no index can help below row-level security. Nothing is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade_async
from app.db.session import tenant_scope
from app.kernel.clock import SystemClock
from app.kernel.jobs.enqueue import connection_of
from app.modules.crm.listing import list_people
from app.modules.customers.public import AudienceFilter
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.process import Process, build_process
from app.utils.security import Keyring
from filling import quick_owner, without_indexes
from findings import Figure, Finding

PASSWORD = "bench"
ROUNDS = 40
GOAL_MS = 20
FIRST = "ARRAY['ada','ben','cara','dan','eve','finn','gina','hugo','ina','jan','kim','lea','max','nora','otto','pia']"
PEOPLE = f"""
INSERT INTO customer (merchant_id, id, name, email, phone, locale, sort_name)
SELECT :m, md5('customer' || n)::uuid, initcap(first) || ' Miller' || n, first || n || '@example.com',
  '+352' || 600000000 + n, 'en', first || ' miller' || n
FROM (SELECT n, ({FIRST})[1 + n % 16] AS first FROM generate_series(1, CAST(:rows AS int)) AS n) AS made"""
# Each has a card, as in life: the list shows it.
CARDS = """
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, status, last_visit_at)
SELECT merchant_id, gen_random_uuid(), id, :store, :program, 'B' || substr(phone, 5), 'active', now()
FROM customer WHERE merchant_id = :m"""
TERMS = """
INSERT INTO customer_search (merchant_id, kind, term, customer_id)
SELECT merchant_id, kind, term, id FROM customer, LATERAL (VALUES
  ('name', sort_name), ('name', split_part(sort_name, ' ', 2) || ' ' || split_part(sort_name, ' ', 1)),
  ('email', email), ('email', 'example.com'), ('phone', substr(phone, 2)), ('phone', substr(phone, 5)),
  ('phone_end', reverse(substr(phone, 2)))) AS found(kind, term)
WHERE merchant_id = :m ORDER BY kind, term"""
TABLES = ("customer", "customer_search", "pass_object")


async def fill(process: Process, admin_url: str, customers: int) -> UUID:
    """Make a merchant with so many customers; returns its id. Prints how long it took."""
    begun = time.perf_counter()
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant)
    async with quick_owner(admin_url) as owner:
        async with without_indexes(owner, *TABLES):
            await owner.execute(text(PEOPLE), {"m": merchant.id, "rows": customers})
            await owner.execute(
                text(CARDS), {"m": merchant.id, "store": store.id, "program": store.program.id}
            )
            await owner.execute(text(TERMS), {"m": merchant.id})
        for table in TABLES:
            await owner.execute(text(f"VACUUM ANALYZE {table}"))
    print(f"made {customers:,} customers in {time.perf_counter() - begun:.0f} s", flush=True)
    return merchant.id


async def measure(url: str, folder: Path, options: argparse.Namespace) -> float:
    """Fill, search, and return the slowest median in milliseconds."""

    def login(user: str) -> str:
        parsed = make_url(url).set(username=f"stempel_{user}", password=PASSWORD)
        return parsed.render_as_string(hide_password=False)

    settings = Settings(
        database_url=login("app"),
        database_system_url=login("system"),
        database_admin_url=url,
        database_allow_async_commit=True,
        data_dir=folder / "data",
        demo=True,
        log_level="WARNING",
    )
    process = build_process(settings, clock=SystemClock(), keyring=Keyring.for_tests())
    await process.open()
    try:
        merchant_id = await fill(process, url, options.customers)
        return await search(process, merchant_id, options.customers)
    finally:
        await process.aclose()


class Explained:
    """What the database needs for each statement by itself, whatever else the machine is doing."""

    def __init__(self, process: Process) -> None:
        self.statements: list[tuple[str, Any]] = []
        event.listen(process.database.engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT") and "set_config" not in statement:
            self.statements.append((statement, values))

    async def read(self, session: AsyncSession) -> tuple[float, int]:
        """Run what was noted once more under EXPLAIN (ANALYZE, BUFFERS); return milliseconds and pages read."""
        noted, self.statements = self.statements, []
        raw = await connection_of(session)
        spent, pages = 0.0, 0
        for statement, values in noted:
            found = await raw.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
            plan = (json.loads(found) if isinstance(found, str) else found)[0]
            spent += plan["Planning Time"] + plan["Execution Time"]
            pages += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return spent, pages


async def search(process: Process, merchant_id: UUID, customers: int) -> float:
    """Ask in each way, a page of the list as the dashboard shows it, and print the medians."""
    slowest, alone_most, finding = 0.0, 0.0, Finding("customer_search")
    explained = Explained(process)
    ways = {
        "whole name": "ada miller{n}",
        "last name": "miller{n}",
        "first letters": "ad",
        "e-mail": "ada{n}@",
        "phone": "0{p}",
        "end of the phone": "{p}",
        "a word of thousands": "miller",
        "a domain of everybody": "example.com",
        "nobody": "zzz{n}",
    }
    for name, pattern in ways.items():
        taken, alone, pages = [], [], []
        for turn in range(ROUNDS):
            number = 16 * (1 + (turn * 7919) % (customers // 16 - 1))
            typed = pattern.format(n=number, p=600000000 + number)
            async with tenant_scope(process.database, merchant_id) as session:
                begin = time.perf_counter()
                chosen = AudienceFilter(text=typed)
                await list_people(
                    session, merchant_id, chosen, order="newest", after="", now=process.clock.now()
                )
                taken.append((time.perf_counter() - begin) * 1000)
                spent, read = await explained.read(session)
                alone.append(spent)
                pages.append(read)
        median = statistics.median(taken)
        slowest = max(slowest, median)
        alone_most = max(alone_most, statistics.median(alone))
        print(
            f"{name:22} {median:7.1f} ms  ({min(taken):.1f} to {max(taken):.1f}), in the database"
            f" {statistics.median(alone):5.1f} ms ({min(alone):.1f} to {max(alone):.1f}),"
            f" {statistics.median(pages):.0f} pages"
        )
    async with tenant_scope(process.database, merchant_id) as session:
        begin = time.perf_counter()
        await session.execute(
            text("SELECT id FROM customer WHERE merchant_id = :m AND name ILIKE '%miller77%' LIMIT 51"),
            {"m": merchant_id},
        )
        print(f"{'limit: ILIKE':22} {(time.perf_counter() - begin) * 1000:7.1f} ms")
    finding.keep(
        [
            Figure(
                "slowest kind of search, as the client sees it",
                [slowest],
                "ms",
                GOAL_MS,
                at_most=True,
                digits=1,
            ),
            Figure("slowest kind of search, in the database", [alone_most], "ms", digits=1),
        ],
        on=f"{customers:,} customers, {len(ways)} kinds of search, {ROUNDS} of each",
    )
    return slowest


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--at-most", type=float, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as place:
        folder = Path(place)
        server = EmbeddedPostgres(folder / "pg", settings={"fsync": "off", "synchronous_commit": "off"})
        server.start()
        try:
            asyncio.run(upgrade_async(server.admin_url, app_password=PASSWORD, system_password=PASSWORD))
            slowest = asyncio.run(measure(server.admin_url, folder, options))
        finally:
            server.stop()
    if options.at_most and slowest > options.at_most:
        sys.exit(f"{slowest:.1f} ms is more than {options.at_most}")


if __name__ == "__main__":
    main()
