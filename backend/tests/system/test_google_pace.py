"""Google's limit of requests, kept by two worker processes together; PostgreSQL counts, so Redis may be away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text, update

from app.commands.demo import child_environment
from app.commands.supervisor import Child, stempel_child, stop_all
from app.config import Settings
from app.db.session import system_scope, tenant_scope
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
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

# More than one worker takes at once (kernel/jobs/places.PROMPT_PLACES), and two seconds of Google's time: the other
# finds work, too.
WARM_UP_CARDS, CARDS = 40, 60
ISSUER = "3388000000012345678"
GOOGLES_LIMIT = 20
SECONDS_MAX = 90


@dataclass
class Shop:
    """A shop whose cards are to be brought to Google, and the workers that do it."""

    process: Process
    warm_up: list[MadeCard]
    cards: list[MadeCard]
    workers: list[Child] = field(default_factory=list)

    async def change(self, cards: list[MadeCard]) -> None:
        """Give a stamp to each of the cards, all in one commit."""
        one_more = (PassObject.stamp_count + 1) % 10
        async with tenant_scope(self.process.database, cards[0].merchant_id) as session:
            for card in sorted(cards, key=lambda card: card.id):
                key = (PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
                await session.execute(update(PassObject).where(*key).values(stamp_count=one_more))
                await mark_changed(session, card.merchant_id, card.id)

    async def all_done(self) -> None:
        """Wait until the workers have nothing left to do, as long as they live."""
        async with asyncio.timeout(SECONDS_MAX):
            while await self._is_waiting():
                assert all(child.alive for child in self.workers), [one.last_lines() for one in self.workers]
                await asyncio.sleep(0.05)

    async def _is_waiting(self) -> bool:
        """Tell whether a card's mark or its job is still there; both are looked at in one moment."""
        jobs = "SELECT 1 FROM pgqueuer WHERE entrypoint = 'wallets.refresh_card'"
        async with system_scope(self.process.database) as session:
            query = f"SELECT EXISTS (SELECT 1 FROM card_refresh) OR EXISTS ({jobs})"
            return bool(await session.scalar(text(query)))


async def open_shop(settings: Settings) -> Shop:
    """Make a shop with cards that Google is to have."""
    process = build_process(settings)
    await process.open()
    store = await make_store(process.database, await make_merchant(process.database))
    cards = [await make_card(process.database, store) for _ in range(WARM_UP_CARDS + CARDS)]
    async with tenant_scope(process.database, cards[0].merchant_id) as session:
        for card in cards:
            key = object_id(ISSUER, card.merchant_id, card.id)
            await expect_object(session, card.merchant_id, card.id, object_id=key)
    return Shop(process, cards[:WARM_UP_CARDS], cards[WARM_UP_CARDS:])


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


@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:9/0"], ids=["no Redis", "a dead Redis"])
async def test_two_processes_share_googles_limit(tmp_path: Path, redis_url: str) -> None:
    """Both workers ask Google, every card arrives once, and no second holds more than twenty requests."""
    async with (
        running_wire(tmp_path / "google") as wire,
        two_workers(wire, tmp_path, redis_url=redis_url) as shop,
    ):
        # Each process fetches one token: two tokens, and both are at work. One that starts late has missed the
        # first cards, so the same ones change until it has had some; those that are counted are not touched.
        async with asyncio.timeout(SECONDS_MAX):
            while wire.tokens < 2:
                await shop.change(shop.warm_up)
                await shop.all_done()
        warm_up = wire.stand_in.count("loyaltyObject")
        wire.times.clear()
        await shop.change(shop.cards)
        await shop.all_done()

    assert warm_up == WARM_UP_CARDS
    assert wire.tokens == 2
    assert len(wire.of("POST")) == wire.stand_in.count("loyaltyObject") == WARM_UP_CARDS + CARDS
    assert GOOGLES_LIMIT / 2 <= wire.fastest_second() <= GOOGLES_LIMIT
