"""The refresh mark of a stamp: what it costs inside the transaction, and how soon the worker takes marks away.

Limit: pgbench calling the function of all the award's writes without any mark. In turn with it the same function with
a mark as the product leaves it, and as one would write it at first (ON CONFLICT DO NOTHING). Meanwhile nobody takes
marks, and the table is emptied before each turn. Then the product's own poller turns marks into jobs, alone, against a
loop that only takes rows away in batches of 100 with one statement.
Run: ./stempel bench refresh [--seconds 6] [--rounds 5] [--marks 5000] [--at-least 0.92]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.kernel.jobs import JobContext
from app.modules.wallets.jobs import poll_marks
from app.modules.wallets.marks import MARKS_TAKEN
from app.process import Process, build_process
from filling import quick_owner
from findings import Figure, Finding
from limit import LOCKING_MARK, NO_MARK, PLAIN_MARK, limit_function, run_pgbench
from serving import Shop, free_port, need_room, open_shop, settings_environment
from stamp import limit_script

CARDS = 20_000
BYTES_NEEDED = 3_000_000_000
GOAL = 0.92
# What other queues reached on the machine of the goals: procrastinate 430, pgqueuer 4,700 a second.
DRAIN_GOAL = 2_000
WAYS = {"bench_none": NO_MARK, "bench_locking": LOCKING_MARK, "bench_plain": PLAIN_MARK}
MARKS = """INSERT INTO card_refresh (merchant_id, pass_id) SELECT merchant_id, id FROM pass_object
    WHERE merchant_id = :m ORDER BY id LIMIT :n"""
TAKE = """DELETE FROM card_refresh WHERE (merchant_id, pass_id) IN
    (SELECT merchant_id, pass_id FROM card_refresh LIMIT :n FOR UPDATE SKIP LOCKED)"""


def main() -> None:
    """Run both parts and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--marks", type=int, default=5_000)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    finding = Finding("refresh")
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as name:
        folder = Path(name)
        need_room(folder, BYTES_NEEDED)
        with EmbeddedPostgres(folder / "pg") as server:
            shop = open_shop(server, settings_environment(server, folder, free_port()), cards=CARDS)
            figures = inside_the_transaction(server, shop, folder, options=options)
            figures += asyncio.run(drain(server, shop, options))
    finding.keep(
        figures,
        on=f"{CARDS:,} cards, {options.clients} clients of pgbench, {options.seconds} s a turn; drained from"
        f" {options.marks:,} marks of cards that are in no wallet; {shop.durability}",
    )
    if figures[0].median < options.at_least:
        sys.exit(f"ratio {figures[0].median:.2f} is below {options.at_least}")


def inside_the_transaction(
    server: EmbeddedPostgres, shop: Shop, folder: Path, *, options: argparse.Namespace
) -> list[Figure]:
    """Return what marks cost the transaction they are left in."""
    asyncio.run(make_functions(server))
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    scripts = {name: limit_script(folder / f"{name}.sql", shop, function=name) for name in WAYS}
    url = os.environ["STEMPEL_DATABASE_URL"]
    for number in range(options.rounds):
        for name in sorted(WAYS, reverse=number % 2 == 1):
            asyncio.run(empty(server))
            rates[name].append(
                run_pgbench(scripts[name], url, clients=options.clients, seconds=options.seconds)
            )
        found = ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items())
        print(f"round {number + 1}: {found}", flush=True)
    none, locking, plain = rates.values()
    return [
        Figure("a stamp's transaction with its mark against none", _ratios(locking, none), goal=GOAL),
        Figure("the same with ON CONFLICT DO NOTHING, which may lose a change", _ratios(plain, none)),
        Figure("transactions a second without a mark", none, digits=0),
    ]


def _ratios(ours: list[float], limit: list[float]) -> list[float]:
    return [mine / its for mine, its in zip(ours, limit, strict=True)]


async def make_functions(server: EmbeddedPostgres) -> None:
    """Add a function for each way to leave a mark."""
    async with quick_owner(server.admin_url) as owner:
        for name, mark in WAYS.items():
            await owner.exec_driver_sql(limit_function(mark, name=name))
            await owner.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {name} TO stempel_app")


async def empty(server: EmbeddedPostgres) -> None:
    """Take all marks away, as the worker would have; the next turn begins like the last."""
    async with quick_owner(server.admin_url) as owner:
        await owner.execute(text("TRUNCATE card_refresh"))
        await owner.execute(text("CHECKPOINT"))


async def drain(server: EmbeddedPostgres, shop: Shop, options: argparse.Namespace) -> list[Figure]:
    """Return how many marks a second become jobs, and how many rows a second a bare loop takes away."""
    process = build_process(Settings())
    await process.open()
    ours, bare = [], []
    try:
        for _round in range(options.rounds):
            await leave_marks(server, shop, options.marks)
            ours.append(options.marks / await poll(process))
            await leave_marks(server, shop, options.marks)
            bare.append(options.marks / await take(server))
    finally:
        await process.aclose()
    return [
        Figure("marks turned into jobs a second", ours, goal=DRAIN_GOAL, digits=0),
        Figure("bare rows taken away a second", bare, digits=0),
    ]


async def leave_marks(server: EmbeddedPostgres, shop: Shop, marks: int) -> None:
    """Let so many cards have changed, and no jobs wait."""
    async with quick_owner(server.admin_url) as owner:
        await owner.execute(text("TRUNCATE card_refresh, pgqueuer"))
        await owner.execute(text(MARKS), {"m": shop.merchant, "n": marks})
        await owner.execute(text("VACUUM ANALYZE card_refresh"))


async def poll(process: Process) -> float:
    """Let the worker's poller take every mark; return the seconds."""
    names = ("database", "settings", "clock", "registry", "resources")
    context = JobContext(**{name: getattr(process, name) for name in names})
    began = time.perf_counter()
    while await poll_marks(context):
        pass
    return time.perf_counter() - began


async def take(server: EmbeddedPostgres) -> float:
    """Take every mark away by itself; return the seconds."""
    async with quick_owner(server.admin_url) as owner:
        began = time.perf_counter()
        while (await owner.execute(text(TAKE), {"n": MARKS_TAKEN})).rowcount:
            pass
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
