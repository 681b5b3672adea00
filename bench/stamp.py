"""Stamps over HTTP against pgbench running the same transaction, as a ratio.

Limit: pgbench -M prepared calling one function that does every write of the award under row-level security, on the
same data folder, with fsync, full_page_writes and synchronous_commit on.
Run: ./stempel bench stamp [--seconds 8] [--rounds 3] [--clients 16] [--web-processes 1]. Both take turns; the median
ratio counts. At the end stamps come at half of the rate that was reached, for the time an answer takes then.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from app.db.embedded import EmbeddedPostgres
from filling import quick_owner
from findings import Figure, Finding
from limit import limit_function, run_pgbench
from serving import (
    Pace,
    Shop,
    cpu_seconds,
    free_port,
    need_room,
    open_shop,
    running_web,
    send_stamps,
    settings_environment,
)

CARDS = 20_000
BYTES_NEEDED = 2_000_000_000
GOAL = 0.30
HALF_LOAD_MS = 100


def main() -> None:
    """Set up one shop with many cards, then run limit and ours in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--web-processes", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    finding = Finding("stamp")
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as name:
        folder = Path(name)
        need_room(folder, BYTES_NEEDED)
        with EmbeddedPostgres(folder / "pg") as server:
            environment = settings_environment(server, folder, free_port())
            environment["STEMPEL_WEB_PROCESSES"] = str(options.web_processes)
            shop = open_shop(server, environment, cards=CARDS)
            script = asyncio.run(prepare_limit(server, shop, folder))
            ratios = measure(server, shop, script, options=options, environment=environment, finding=finding)
    if statistics.median(ratios) < options.at_least:
        sys.exit(f"ratio {statistics.median(ratios):.2f} is below {options.at_least}")


async def prepare_limit(server: EmbeddedPostgres, shop: Shop, folder: Path) -> Path:
    """Add the limit's function; return pgbench's script."""
    async with quick_owner(server.admin_url) as owner:
        await owner.exec_driver_sql(limit_function())
        await owner.exec_driver_sql("GRANT EXECUTE ON FUNCTION bench_stamp TO stempel_app")
    return limit_script(folder / "limit.sql", shop, function="bench_stamp")


def limit_script(path: Path, shop: Shop, *, function: str) -> Path:
    """Write the script that calls the function for a card drawn at random."""
    path.write_text(
        f"\\set n random(1, {len(shop.cards)})\n"
        f"SELECT {function}('{shop.merchant}', '{shop.store}',"
        " ('01900000-0001-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))::uuid);\n"
    )
    return path


def measure(  # noqa: PLR0913 - what a run is made of
    server: EmbeddedPostgres,
    shop: Shop,
    script: Path,
    *,
    options: argparse.Namespace,
    environment: dict[str, str],
    finding: Finding,
) -> list[float]:
    """Take turns; return the ratios."""
    port = int(environment["STEMPEL_PORT"])
    ratios, ours, limits, cpu, database, bare_cpu = [], [], [], [], [], []
    with running_web(environment) as web:
        send_stamps(shop, port, cards=shuffled(shop, 0), pace=Pace(1, options.clients), run="warm")
        for number in range(options.rounds):
            url = os.environ["STEMPEL_DATABASE_URL"]
            bare = cpu_seconds(server.pid or 0)
            limits.append(run_pgbench(script, url, clients=options.clients, seconds=options.seconds))
            bare_cpu.append((cpu_seconds(server.pid or 0) - bare) / (limits[-1] * options.seconds) * 1000)
            before = cpu_seconds(web.pid), cpu_seconds(server.pid or 0)
            pace = Pace(options.seconds, options.clients)
            answers = send_stamps(shop, port, cards=shuffled(shop, number), pace=pace, run=f"{number}")
            cpu.append((cpu_seconds(web.pid) - before[0]) / answers.answers * 1000)
            database.append((cpu_seconds(server.pid or 0) - before[1]) / answers.answers * 1000)
            ours.append(answers.rate)
            ratios.append(answers.rate / limits[-1])
            print(
                f"round {number + 1}: limit {limits[-1]:.0f}/s, ours {answers.rate:.0f}/s, ratio {ratios[-1]:.3f},"
                f" p50 {answers.p50_ms:.1f} ms, p99 {answers.p99_ms:.1f} ms, {answers.status} {answers.errors}",
                flush=True,
            )
        half = statistics.median(ours) / 2
        pace = Pace(options.seconds, options.clients, rate=half)
        calm = send_stamps(shop, port, cards=shuffled(shop, 99), pace=pace, run="half")
    figures = [
        Figure("stamps against pgbench", ratios, goal=GOAL, digits=3),
        Figure("99 of 100 answers at half load within", [calm.p99_ms], "ms", HALF_LOAD_MS, at_most=True, digits=0),
        Figure("CPU of the web process a stamp", cpu, "ms"),
        Figure("CPU of PostgreSQL a stamp", database, "ms"),
        Figure("CPU of PostgreSQL a call of pgbench's function", bare_cpu, "ms"),
        Figure("stamps a second", ours, digits=0),
        Figure("pgbench a second", limits, digits=0),
    ]  # fmt: skip
    finding.keep(
        figures,
        on=f"{CARDS:,} cards, {options.clients} clients, {options.seconds} s a turn, {options.web_processes} web"
        f" process(es), client and database on the same machine; {shop.durability}",
    )
    return ratios


def shuffled(shop: Shop, seed: int) -> list[str]:
    """Return the cards in an order of chance, more often than a turn can use them."""
    cards = list(shop.cards) * 3
    random.Random(seed).shuffle(cards)
    return cards


if __name__ == "__main__":
    main()
