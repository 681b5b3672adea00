"""Stamps of a shop with many events against the same shop with few: the cost must not grow.

Two databases, each with its own web process, side by side: one with 10,000 events on 1,000 cards, one with as many as
asked for (20 a card, over two years in monthly partitions, a tenth of them with a key that is still kept). Stamps go to
cards drawn at random and take turns. The disk is looked at before.
Run: ./stempel bench flat [--events 10000000] [--seconds 4] [--rounds 7] [--at-least 0.9]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.db.embedded import EmbeddedPostgres
from filling import make_months, quick_owner, without_indexes
from findings import Figure, Finding
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

FEW = 10_000
DAYS = 728
EVENTS_A_CARD = 20
EVENTS_A_KEY = 10
BYTES_AN_EVENT = 1_300
ROWS_A_BATCH = 1_000_000
CARDS_A_TURN = 30_000
GOAL = 0.9

# UUIDv7 of a moment: the row lands in its month's partition, as real ones do.
_ID = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(salt, 1, 3) || '8'
    || substr(salt, 4, 15))::uuid"""
_MADE = """SELECT n, md5({salt} || n) AS salt, CAST(:since AS timestamptz) + make_interval(secs => n * :step) AS at,
    ('01900000-0001-7000-8000-' || lpad(to_hex(1 + (hashint4(n) & 2147483647) % :cards), 12, '0'))::uuid AS card
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"""
VISITS = f"""
INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, staff_id, source, currency, stamps, at)
SELECT :m, {_ID}, :store, card, 'pin', :staff, 'customer_phone', 'EUR', 1, at
FROM ({_MADE.format(salt="'visit'")}) AS made"""
STAMPS = f"""
INSERT INTO stamp_event (merchant_id, id, pass_id, store_id, kind, stamps_added, balance_after, timestamp)
SELECT :m, {_ID}, card, :store, 'earn', 1, n % 10, at FROM ({_MADE.format(salt="'stamp'")}) AS made"""
KEYS = f"""
INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)
SELECT :m, 'stamp|card:' || card, 'K' || n, '\\x00', '{{"stamp_count" : 1}}', at
FROM ({_MADE.format(salt="'key'")}) AS made WHERE n % {EVENTS_A_KEY} = 0"""
TABLES = ("visit", "stamp_event", "idempotency_key")


@dataclass(frozen=True)
class Side:
    """One of the two shops, being served."""

    events: int
    server: EmbeddedPostgres
    shop: Shop
    port: int
    pid: int


def main() -> None:
    """Make both, take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    finding = Finding("flat")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stempel-bench-")))
        need_room(folder, options.events * BYTES_AN_EVENT + 2_000_000_000)
        sides = [open_side(stack, folder, events=events) for events in (FEW, options.events)]
        figures = take_turns(sides, options)
    finding.keep(
        figures,
        on=f"{options.events:,} events on {options.events // EVENTS_A_CARD:,} cards against {FEW:,} on"
        f" {FEW // EVENTS_A_CARD:,}, {options.clients} clients, {options.seconds} s a turn;"
        f" {sides[0].shop.durability}",
    )
    if figures[0].median < options.at_least:
        sys.exit(f"ratio {figures[0].median:.2f} is below {options.at_least}")


def open_side(stack: ExitStack, folder: Path, *, events: int) -> Side:
    """Make a shop with so many events and serve it."""
    place = folder / f"{events}"
    server = stack.enter_context(EmbeddedPostgres(place / "pg"))
    environment = settings_environment(server, place, free_port())
    shop = open_shop(server, environment, cards=events // EVENTS_A_CARD)
    asyncio.run(fill(server, shop, events))
    web = stack.enter_context(running_web(environment))
    return Side(events, server, shop, int(environment["STEMPEL_PORT"]), web.pid)


async def fill(server: EmbeddedPostgres, shop: Shop, events: int) -> None:
    """Make the events, with their keys, over two years until now."""
    began, now = time.perf_counter(), datetime.now(UTC)
    since = now - timedelta(days=DAYS)
    values: dict[str, Any] = {
        "m": shop.merchant, "store": shop.store, "staff": shop.staff, "since": since, "cards": len(shop.cards),
        "step": DAYS * 86_400 / events,
    }  # fmt: skip
    async with quick_owner(server.admin_url) as owner:
        await owner.execute(text("SET synchronous_commit = off"))
        await make_months(owner, since, now)
        async with without_indexes(owner, *TABLES):
            for statement in (VISITS, STAMPS, KEYS):
                known = {name: value for name, value in values.items() if f":{name}" in statement}
                for first in range(1, events + 1, ROWS_A_BATCH):
                    last = min(first + ROWS_A_BATCH - 1, events)
                    await owner.execute(text(statement), {**known, "first": first, "last": last})
        # What autovacuum and the checkpointer do within minutes of such a load.
        await owner.execute(text("VACUUM (ANALYZE)"))
        await owner.execute(text("CHECKPOINT"))
    print(f"made {events:,} events in {time.perf_counter() - began:.0f} s", flush=True)


def take_turns(sides: list[Side], options: argparse.Namespace) -> list[Figure]:
    """Stamp at both in turn; return how the many compare with the few."""
    rates: dict[int, list[float]] = {side.events: [] for side in sides}
    web: dict[int, list[float]] = {side.events: [] for side in sides}
    database: dict[int, list[float]] = {side.events: [] for side in sides}
    for number in range(-1, options.rounds):
        # Each goes first as often as second.
        for side in sides if number % 2 else reversed(sides):
            draw = random.Random(number)
            cards = [draw.choice(side.shop.cards) for _ in range(CARDS_A_TURN)]
            before = cpu_seconds(side.pid), cpu_seconds(side.server.pid or 0)
            pace = Pace(options.seconds, options.clients)
            answers = send_stamps(side.shop, side.port, cards=cards, pace=pace, run=f"{number}")
            assert set(answers.status) == {"201"}, answers.errors
            if number < 0:  # plans are made, caches fill
                continue
            rates[side.events].append(answers.rate)
            web[side.events].append((cpu_seconds(side.pid) - before[0]) / answers.answers * 1000)
            database[side.events].append(
                (cpu_seconds(side.server.pid or 0) - before[1]) / answers.answers * 1000
            )
        if number >= 0:
            print(
                f"round {number + 1}: " + ", ".join(f"{found[-1]:.0f}/s" for found in rates.values()),
                flush=True,
            )
    (few, many), (web_few, web_many), (data_few, data_many) = rates.values(), web.values(), database.values()
    whole = [few_ms + of_few for few_ms, of_few in zip(web_few, data_few, strict=True)]
    whole_many = [many_ms + of_many for many_ms, of_many in zip(web_many, data_many, strict=True)]
    return [
        Figure("stamps among many events against few", _ratios(many, few), goal=GOAL),
        Figure("the same by CPU of web process and PostgreSQL together", _ratios(whole, whole_many)),
        Figure("CPU of PostgreSQL a stamp among few", data_few, "ms"),
        Figure("and among many", data_many, "ms"),
        Figure("stamps a second among many", many, digits=0),
    ]


def _ratios(ours: list[float], limit: list[float]) -> list[float]:
    return [mine / its for mine, its in zip(ours, limit, strict=True)]


if __name__ == "__main__":
    main()
