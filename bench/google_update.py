"""Updates at Google: how fast they go out within the allowed pace, and how few they are.

Limit: the pace itself, 16 requests a second for an issuer (Google allows 20). Ours: cards that changed, sent by a real
worker's runner to a stand-in of Google behind a socket, class and object bodies, leases and all.
Two parts: 1. every card changes once: requests a second, as a ratio to the pace, and the fullest second; 2. --stamps
changes on --cards cards while the worker runs: how many PATCHes they become. An hour without Google is a test with a
simulated clock (test_all_outputs, test_output).
Run: ./stempel bench google_update [--cards 100] [--stamps 1000] [--at-least 0.9]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.engine import make_url

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade_async
from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.google_wallet.accounts import make_key_file
from app.modules.wallets.google_wallet.pace import REQUESTS_A_SECOND
from app.modules.wallets.google_wallet.rules import object_id
from app.modules.wallets.google_wallet.store import expect_object
from app.modules.wallets.google_wallet.tests.wire import Wire, running_wire
from app.modules.wallets.public import mark_changed
from app.process import Process, build_process
from findings import Figure, Finding

ISSUER = "3388000000012345678"
PASSWORD = "bench"
PACE_KEPT = 0.95
CLIENTS = 16
SECONDS_MAX = 300


@dataclass
class Shop:
    """A shop whose cards Google knows."""

    process: Process
    clock: FixedClock
    wire: Wire
    runner: JobRunner
    cards: list[MadeCard]

    async def change(self, card: MadeCard, count: int) -> float:
        """Give a stamp as a visit writes it, and return the milliseconds that took."""
        start = time.perf_counter()
        async with tenant_scope(self.process.database, card.merchant_id) as session:
            row = (PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
            await session.execute(update(PassObject).where(*row).values(stamp_count=count))
            await mark_changed(session, card.merchant_id, card.id)
        return (time.perf_counter() - start) * 1000

    def shown(self) -> int:
        """Return the sum of the stamps that Google shows."""
        total = 0
        for card in self.cards:
            found = self.wire.stand_in.find("loyaltyObject", object_id(ISSUER, card.merchant_id, card.id))
            total += int(found["loyaltyPoints"]["balance"]["string"].split("/")[0]) if found else -1
        return total

    async def until_shown(self, total: int) -> float:
        """Let the runner work until Google shows so many stamps; returns the seconds."""
        start, stop = time.monotonic(), asyncio.Event()
        task = asyncio.create_task(self.runner.run(stop))
        while self.shown() != total:
            if time.monotonic() - start > SECONDS_MAX:
                sys.exit("Google was not brought up to date")
            self.clock.at = datetime.now(UTC)
            await asyncio.sleep(0.1)
        stop.set()
        await task
        return time.monotonic() - start


async def measure(url: str, folder: Path, options: argparse.Namespace) -> float:
    """Run both parts and return the ratio of the first."""
    async with running_wire(folder / "google") as wire:
        key = folder / "key.json"
        key.write_text(json.dumps(make_key_file("bench@bench.example", token_uri=f"{wire.url}/token")))
        process = build_process(settings_of(url, folder, key, wire), clock=FixedClock(datetime.now(UTC)))
        await process.open()
        try:
            shop = await open_shop(process, wire, options.cards)
            ratio = await at_the_pace(shop)
            await joined(shop, options.stamps)
        finally:
            await process.aclose()
    return ratio


def settings_of(url: str, folder: Path, key: Path, wire: Wire) -> Settings:
    """Return the settings of a process that speaks to the stand-in."""

    def login(user: str) -> str:
        parsed = make_url(url).set(username=f"stempel_{user}", password=PASSWORD)
        return parsed.render_as_string(hide_password=False)

    return Settings(
        demo=True,
        database_url=login("app"),
        database_system_url=login("system"),
        data_dir=folder / "data",
        google_service_account=key,
        google_issuer_id=ISSUER,
        google_api_url=wire.url,
    )


async def open_shop(process: Process, wire: Wire, count: int) -> Shop:
    """Make a shop with cards that are to be at Google."""
    store = await make_store(process.database, await make_merchant(process.database), stamps_needed=100)
    cards = [await make_card(process.database, store) for _ in range(count)]
    for card in cards:
        async with tenant_scope(process.database, card.merchant_id) as session:
            key = object_id(ISSUER, card.merchant_id, card.id)
            await expect_object(session, card.merchant_id, card.id, object_id=key)
    clock: Any = process.clock
    runner = JobRunner(
        process.database, process.registry, process.settings, clock, resources=process.resources
    )
    return Shop(process, clock, wire, runner, cards)


async def at_the_pace(shop: Shop) -> float:
    """Every card changes once, and once more: inserts, then PATCHes."""
    rates, finding = [], Finding("google_update")
    for count in (1, 2):
        for card in shop.cards:
            await shop.change(card, count)
        shop.wire.times.clear()
        shop.wire.calls.clear()
        await shop.until_shown(count * len(shop.cards))
        sent = len(shop.wire.times)
        rates.append((sent - 1) / (shop.wire.times[-1] - shop.wire.times[0]))
        name = "inserts" if count == 1 else "PATCHes"
        print(
            f"{sent} {name}: {rates[-1]:.1f} a second, fullest second {shop.wire.fastest_second()} (Google: 20)"
        )
    ratio = statistics.median(rates) / REQUESTS_A_SECOND
    shares = [rate / REQUESTS_A_SECOND for rate in rates]
    finding.keep(
        [
            Figure(
                "updates at Google against the pace we keep",
                shares,
                goal=PACE_KEPT,
            ),
            Figure(
                "requests in the fullest second", [shop.wire.fastest_second()], "", 20, at_most=True, digits=0
            ),
        ],
        on=f"{len(shop.cards)} cards, a stand-in behind a socket, {REQUESTS_A_SECOND} requests a second an issuer",
    )
    return ratio


async def joined(shop: Shop, stamps: int) -> None:
    """Many stamps on few cards while the worker runs."""
    shop.wire.calls.clear()
    rounds = max(1, stamps // len(shop.cards))
    stop = asyncio.Event()
    task = asyncio.create_task(shop.runner.run(stop))
    start = time.monotonic()
    for n in range(1, rounds + 1):
        for first in range(0, len(shop.cards), CLIENTS):
            await asyncio.gather(*(shop.change(card, 2 + n) for card in shop.cards[first : first + CLIENTS]))
    seconds = time.monotonic() - start
    stop.set()
    await task
    await shop.until_shown((2 + rounds) * len(shop.cards))
    patches, given = len(shop.wire.of("PATCH")), rounds * len(shop.cards)
    print(
        f"{given} stamps on {len(shop.cards)} cards in {seconds:.1f} s: {patches} PATCHes"
        f" ({given / patches:.1f} stamps each)"
    )


async def run(server: EmbeddedPostgres, folder: Path, options: argparse.Namespace) -> float:
    """Prepare the database and measure."""
    await upgrade_async(server.admin_url, app_password=PASSWORD, system_password=PASSWORD)
    return await measure(server.admin_url, folder, options)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=100)
    parser.add_argument("--stamps", type=int, default=1_000)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    # Stamps are written here without their entries in the ledger; the invariants would say so over and over.
    logging.disable(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="stempel-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "pg") as server,
    ):
        ratio = asyncio.run(run(server, Path(folder), options))
    if ratio < options.at_least:
        sys.exit(f"ratio {ratio:.2f} is below {options.at_least}")


if __name__ == "__main__":
    main()
