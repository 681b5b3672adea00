"""What a PIN costs: stamps with one against stamps with none at all, and what guessing costs us.

The limit is the same web process with the PIN taken away (bench/without_pin.py). Both stand before one database and
take turns; the right PIN was computed once before, as in a shop that is open. Then wrong PINs come from one address at
a steady rate, for cards that the store does not know, as a guesser has them, and for one that it knows.
Run: ./stempel bench pin [--seconds 5] [--rounds 5] [--wrong 200] [--at-least 0.9]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.db.embedded import EmbeddedPostgres
from filling import quick_owner
from findings import Figure, Finding
from serving import (
    ROOT,
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
from stamp import shuffled

CARDS = 10_000
GUESSED_CARDS = 200
# More than the limits of cards, stores and addresses let through.
FILLING = 120
BYTES_NEEDED = 2_000_000_000
GOAL = 0.9
WRONG_SHARE_MAX = 0.20
# Read by bench/without_pin.py.
STAFF_ID = "STEMPEL_BENCH_STAFF_ID"


def main() -> None:
    """Run both parts and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--wrong", type=int, default=200, help="wrong PINs a second")
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    finding = Finding("pin")
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as name:
        folder = Path(name)
        need_room(folder, BYTES_NEEDED)
        with EmbeddedPostgres(folder / "pg") as server:
            environment = settings_environment(server, folder, free_port())
            shop = open_shop(server, environment, cards=CARDS)
            none = {"STEMPEL_PORT": str(free_port()), STAFF_ID: str(shop.staff)}
            without = [str(ROOT / "bench/without_pin.py")]
            with (
                running_web(environment) as web,
                running_web(environment | none, command=without) as bare,
            ):
                pids = {int(environment["STEMPEL_PORT"]): web.pid, int(none["STEMPEL_PORT"]): bare.pid}
                figures = take_turns(shop, pids, options)
                figures += guess(
                    server, shop, port=int(environment["STEMPEL_PORT"]), pid=web.pid, options=options
                )
    finding.keep(
        figures,
        on=f"{CARDS:,} cards, {options.clients} clients, {options.seconds} s a turn, one web process each;"
        f" {options.wrong} wrong PINs a second for {2 * options.seconds} s, {os.cpu_count()} cores; {shop.durability}",
    )
    if figures[0].median < options.at_least:
        sys.exit(f"ratio {figures[0].median:.2f} is below {options.at_least}")


def take_turns(shop: Shop, pids: dict[int, int], options: argparse.Namespace) -> list[Figure]:
    """Stamp with a PIN and without one in turn. pids: the web process behind each port, that with PINs first."""
    rates: dict[int, list[float]] = {port: [] for port in pids}
    costs: dict[int, list[float]] = {port: [] for port in pids}
    for port in pids:
        warm = Pace(1, options.clients)
        send_stamps(shop, port, cards=shuffled(shop, port), pace=warm, run=f"warm{port}")
    for number in range(options.rounds):
        # Each goes first as often as second: what the one leaves behind for the disk meets the other.
        for port in sorted(pids, reverse=number % 2 == 1):
            before = cpu_seconds(pids[port])
            run, pace = f"{port}-{number}", Pace(options.seconds, options.clients)
            answers = send_stamps(shop, port, cards=shuffled(shop, number), pace=pace, run=run)
            assert set(answers.status) == {"201"}, answers.errors
            rates[port].append(answers.rate)
            costs[port].append((cpu_seconds(pids[port]) - before) / answers.answers * 1000)
        print(
            f"round {number + 1}: {', '.join(f'{values[-1]:.0f}/s' for values in rates.values())}", flush=True
        )
    (with_pin, without), (cpu, cpu_without) = rates.values(), costs.values()
    return [
        Figure("stamps with a PIN against none at all", _ratios(with_pin, without), goal=GOAL),
        Figure("the same by CPU of the web process", _ratios(cpu_without, cpu)),
        Figure("CPU of the web process a stamp with a PIN", cpu, "ms"),
        Figure("and with none", cpu_without, "ms"),
    ]


def _ratios(ours: list[float], limit: list[float]) -> list[float]:
    return [mine / its for mine, its in zip(ours, limit, strict=True)]


def guess(
    server: EmbeddedPostgres, shop: Shop, *, port: int, pid: int, options: argparse.Namespace
) -> list[Figure]:
    """Send wrong PINs at a steady rate; return what share of the machine they cost."""
    new = list(shop.cards[:GUESSED_CARDS])
    asyncio.run(forget_store(server, shop, new))
    cards = [card for other in new for card in (other, shop.cards[-1])]
    cards *= 1 + options.wrong * 2 * options.seconds // len(cards)
    wrong = "0000" if shop.pin != "0000" else "1111"
    # What the limits let through is computed before: from then on every wrong PIN is one too many.
    full = Pace(60, options.clients, may_end=True)
    send_stamps(shop, port, cards=cards[:FILLING], pace=full, run="full", pin=wrong)
    before = {"web": cpu_seconds(pid), "database": cpu_seconds(server.pid or 0)}
    pace = Pace(2 * options.seconds, options.clients, rate=options.wrong)
    answers = send_stamps(shop, port, cards=cards, pace=pace, run="wrong", pin=wrong)
    print(f"wrong PINs: {answers.status}")
    assert "201" not in answers.status
    # By the answer, so that a machine too busy to answer them all says the same.
    shares = {
        "web": (cpu_seconds(pid) - before["web"]) / answers.answers * options.wrong,
        "database": (cpu_seconds(server.pid or 0) - before["database"]) / answers.answers * options.wrong,
    }
    whole: Any = os.cpu_count()
    figures = [
        Figure(
            f"share of the machine's CPU for {options.wrong} wrong PINs a second",
            [sum(shares.values()) / whole], goal=WRONG_SHARE_MAX, at_most=True,
        ),
        Figure("of one core, the web process", [shares["web"]]),
        Figure("of one core, PostgreSQL", [shares["database"]]),
        Figure("wrong PINs answered a second", [answers.answers / (2 * options.seconds)], digits=0),
        Figure("99 of 100 of those answers within", [answers.p99_ms], "ms", digits=0),
    ]  # fmt: skip
    return figures


async def forget_store(server: EmbeddedPostgres, shop: Shop, cards: list[str]) -> None:
    """Let these cards be new to the store."""
    async with quick_owner(server.admin_url) as owner:
        await owner.execute(
            text(
                "UPDATE pass_object SET known_stores = '{}'"
                " WHERE merchant_id = :m AND id = ANY(CAST(:ids AS uuid[]))"
            ),
            {"m": shop.merchant, "ids": cards},
        )


if __name__ == "__main__":
    main()
