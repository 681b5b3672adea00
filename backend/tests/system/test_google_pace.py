"""Google's limit of requests, kept by two worker processes together; PostgreSQL counts, so Redis may be away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.commands.demo import child_environment
from app.commands.supervisor import Child, stempel_child, stop_all
from app.config import Settings
from app.db.session import tenant_scope
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.google_wallet.accounts import make_key_file
from app.modules.wallets.google_wallet.rules import object_id
from app.modules.wallets.google_wallet.store import expect_object
from app.modules.wallets.google_wallet.tests.wire import Wire, running_wire
from app.modules.wallets.public import mark_changed
from app.process import Process, build_process
from tests.live import BACKEND, TEMPLATE, run_sql, server_settings

pytestmark = pytest.mark.system

CARDS, WARM_UP_MAX = 60, 60
ISSUER = "3388000000012345678"
GOOGLES_LIMIT = 20
SECONDS_MAX = 90


@dataclass
class Shop:
    """A shop whose cards are to be brought to Google, and the workers that do it."""

    process: Process
    cards: list[MadeCard]
    workers: list[Child] = field(default_factory=list)

    async def mark(self, count: int) -> None:
        """Let the next cards change, all in one commit."""
        cards, self.cards = self.cards[:count], self.cards[count:]
        async with tenant_scope(self.process.database, cards[0].merchant_id) as session:
            for card in sorted(cards, key=lambda card: card.id):
                await mark_changed(session, card.merchant_id, card.id)

    async def until(self, is_done: Callable[[], bool]) -> None:
        """Wait for something, as long as the workers live."""
        for _ in range(SECONDS_MAX * 20):
            assert all(child.alive for child in self.workers), [one.last_lines() for one in self.workers]
            if is_done():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("nothing came of it")


async def open_shop(settings: Settings) -> Shop:
    """Make a shop with cards that Google is to have."""
    process = build_process(settings)
    await process.open()
    store = await make_store(process.database, await make_merchant(process.database))
    cards = [await make_card(process.database, store) for _ in range(WARM_UP_MAX + CARDS)]
    async with tenant_scope(process.database, cards[0].merchant_id) as session:
        for card in cards:
            key = object_id(ISSUER, card.merchant_id, card.id)
            await expect_object(session, card.merchant_id, card.id, object_id=key)
    return Shop(process, cards)


@asynccontextmanager
async def two_workers(wire: Wire, folder: Path, **over: Any) -> AsyncIterator[Shop]:
    """Run two real workers on a database of their own, with cards that wait to be sent."""
    name = f"google_pace_{uuid4().hex[:12]}"
    run_sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    key = folder / "service-account.json"
    key.write_text(json.dumps(make_key_file("two@workers.example", token_uri=f"{wire.url}/token")))
    google = {"google_service_account": key, "google_issuer_id": ISSUER, "google_api_url": wire.url}
    settings = server_settings(folder, name=name, port=1).model_copy(update=google | over)
    shop = await open_shop(settings)
    try:
        environment = child_environment(settings) | {
            "STEMPEL_DATABASE_ALLOW_ASYNC_COMMIT": "true",
            "STEMPEL_LOG_LEVEL": "WARNING",
            "STEMPEL_REDIS_URL": settings.redis_url,
            "STEMPEL_GOOGLE_SERVICE_ACCOUNT": str(key),
            "STEMPEL_GOOGLE_ISSUER_ID": ISSUER,
            "STEMPEL_GOOGLE_API_URL": wire.url,
            "PYTHONPATH": str(BACKEND),
        }
        for number in (1, 2):
            log_dir = folder / f"worker{number}"
            log_dir.mkdir()
            shop.workers.append(stempel_child("worker", "worker", environment=environment, log_dir=log_dir))
        for child in shop.workers:
            child.start()
        yield shop
    finally:
        stop_all(shop.workers)
        await shop.process.aclose()
        run_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def is_more(count: Callable[[], int], than: int) -> bool:
    """Tell whether something has grown."""
    return count() > than


@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:9/0"], ids=["no Redis", "a dead Redis"])
async def test_two_processes_share_googles_limit(tmp_path: Path, redis_url: str) -> None:
    """Both workers ask Google, every card arrives once, and no second holds more than twenty requests."""
    async with (
        running_wire(tmp_path / "google") as wire,
        two_workers(wire, tmp_path, redis_url=redis_url) as shop,
    ):
        # Each process fetches one token: two tokens, and both are at work.
        arrived = partial(wire.stand_in.count, "loyaltyObject")
        while wire.tokens < 2:
            before = arrived()
            await shop.mark(1)
            await shop.until(partial(is_more, arrived, before))
        warm_up = arrived()
        wire.times.clear()
        shop.cards = shop.cards[-CARDS:]
        await shop.mark(CARDS)
        await shop.until(partial(is_more, arrived, warm_up + CARDS - 1))

    assert wire.tokens == 2
    assert len(wire.of("POST")) == warm_up + CARDS
    assert GOOGLES_LIMIT / 2 <= wire.fastest_second() <= GOOGLES_LIMIT
