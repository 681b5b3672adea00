"""What time takes away, and what a changed number gives: with all that the worker does in these months.

In a database of its own: a worker does its nightly work for every merchant there is, and here that is one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.kernel.permissions import Principal
from app.main import create_app
from app.modules.cards.balances import get_card_row
from app.modules.cards.models import PassObject
from app.modules.points.models import PointsEvent
from app.modules.rewards import jobs as rewards_jobs
from app.modules.rewards.config import change_reward
from app.modules.rewards.jobs import expire_card
from app.modules.stamps.models import StampEvent
from app.modules.stores.service import change_program
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.engine.test_rewards import full_id, reward_of
from tests.fixtures import cloned_database, database_urls
from tests.waiting import Meeting

# Above the merchants, and what waits for the worker; emptied before each test.
_FORGET = "TRUNCATE merchant, job_schedule, pgqueuer, card_refresh, rollup_pending CASCADE"


@pytest.fixture(scope="module")
def own_settings(settings: Settings, worker_id: str) -> Iterator[Settings]:
    """Return the settings of a process on a database of this file's own."""
    with cloned_database(f"expiry_{worker_id}_{os.getpid()}") as name:
        yield settings.model_copy(update=database_urls(name))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(own_settings: Settings, clock: FixedClock) -> AsyncIterator[Process]:
    """Return the process on that database."""
    process = build_process(own_settings, clock=clock, keyring=Keyring.for_tests())
    await process.open()
    yield process
    await process.aclose()


@pytest.fixture(scope="module")
def database(process: Process) -> Database:
    """Return that database."""
    return process.database


@pytest.fixture(scope="module")
def app(process: Process, own_settings: Settings) -> FastAPI:
    """Return the web application on it."""
    return create_app(own_settings, process=process)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def empty_database(own_settings: Settings) -> None:
    """Begin each test without merchants."""
    connection = await asyncpg.connect(own_settings.database_admin_url)
    await connection.execute(_FORGET)
    await connection.close()


async def expire(process: Process, clock: FixedClock) -> None:
    """Let a worker run everything that is due; all of it must succeed."""
    runner = JobRunner(
        process.database, process.registry, process.settings, clock, resources=process.resources
    )
    assert await runner.schedule_due() > 0
    drained = await runner.drain()
    assert (drained.tried_again, drained.dead) == (0, 0)


async def test_points_expire_by_lot_soonest_first_and_come_back_with_their_own_expiry(
    open_shop: Any, clock: Any, process: Any
) -> None:
    """Spending takes the older lot; an undo gives it back with its own date, and it expires on that date."""
    shop = await open_shop("points", points_expiry="after_earned", points_expiry_months=12)
    card = await shop.card()
    await shop.points(card, "100")
    clock.advance(days=30)
    await shop.points(card, "50")
    redeemed = (await shop.redeem(card, await reward_of(shop, "points"))).json()
    assert redeemed["points_balance"] == 50
    await shop.void("redemptions", redeemed["redemption_id"])

    clock.advance(days=365 - 30, hours=1)
    await expire(process, clock)

    assert (await shop.row(card)).points_balance == 50
    assert await shop.count(PointsEvent, kind="expire", points_added=-100) == 1
    assert await shop.violations() == []


async def test_expired_points_cannot_be_spent_before_the_job_has_run(open_shop: Any, clock: Any) -> None:
    """What has run out is taken off first when a reward is asked for."""
    shop = await open_shop("points", points_expiry="after_earned", points_expiry_months=1)
    card = await shop.card()
    await shop.points(card, "100")
    clock.advance(days=31)

    response = await shop.redeem(card, await reward_of(shop, "points"))

    assert response.json()["code"] == "not_enough"
    assert (await shop.row(card)).points_balance == 0


async def test_points_expire_after_the_last_visit(open_shop: Any, clock: Any, process: Any) -> None:
    """A visit within the period keeps everything; without one all of it goes."""
    shop = await open_shop("points", points_expiry="after_last_visit", points_expiry_months=6)
    kept, lost = await shop.card(), await shop.card()
    await shop.points(kept, "10")
    await shop.points(lost, "10")
    clock.advance(days=150)
    await shop.points(kept, "10")
    clock.advance(days=40)

    await expire(process, clock)

    assert (await shop.row(kept)).points_balance == 20
    assert (await shop.row(lost)).points_balance == 0


async def test_switching_expiry_on_expires_nothing_sooner_than_a_period_later(
    open_shop: Any, clock: Any, process: Any
) -> None:
    """Old points live a whole period after the switch, then they go."""
    shop = await open_shop("points")
    card = await shop.card()
    await shop.points(card, "10")
    clock.advance(days=400)
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    changes = {"points_expiry": "after_earned", "points_expiry_months": 3}
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await change_program(session, owner, shop.store.id, changes=changes, now=clock.now())
    clock.advance(days=85)
    await expire(process, clock)
    before = (await shop.row(card)).points_balance
    clock.advance(days=10)

    await expire(process, clock)

    assert (before, (await shop.row(card)).points_balance) == (10, 0)


async def expire_by_two(shop: Any, process: Process, clock: FixedClock) -> int:
    """Have two workers expire one card's stamps at the same moment; return how many entries that leaves."""
    card = await shop.card()
    await shop.stamp(card)
    clock.advance(days=100)
    parts = (process.database, process.settings, clock, process.registry, process.resources)
    work = JobContext(*parts, merchant_id=shop.merchant.id)
    await asyncio.gather(*(expire_card(work, pass_id=card.id) for _worker in range(2)))
    return int(await shop.count(StampEvent, kind="expire"))


async def test_two_workers_expire_a_card_once(open_shop: Any, clock: Any, process: Any) -> None:
    """One entry takes the stamps off, and the books add up."""
    shop = await open_shop(stamps_expiry_months=3)

    assert await expire_by_two(shop, process, clock) == 1
    assert await shop.violations() == []


async def test_control_without_the_lock_two_workers_expire_it_twice(
    open_shop: Any, clock: Any, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both have read the card before one writes, each takes the stamp off."""
    both_have_read = Meeting(2)

    async def read(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> PassObject:
        card = await get_card_row(session, merchant_id, pass_id)
        await both_have_read.wait()
        return card

    monkeypatch.setattr(rewards_jobs, "lock_card", read)
    shop = await open_shop(stamps_expiry_months=3)

    assert await expire_by_two(shop, process, clock) == 2
    assert await shop.violations() != []


async def test_stamps_expire_after_their_first(open_shop: Any, clock: Any, process: Any) -> None:
    """Stamps go a period after the first of the card, whatever came later."""
    shop = await open_shop(stamps_expiry_months=3, cooldown_minutes=0)
    card = await shop.card()
    await shop.stamp(card)
    clock.advance(days=60)
    await shop.stamp(card)
    clock.advance(days=40)

    await expire(process, clock)

    assert (await shop.row(card)).stamp_count == 0
    assert await shop.violations() == []


async def test_raising_the_number_takes_away_no_unlocked_reward(
    open_shop: Any, clock: Any, process: Any
) -> None:
    """A card that was full at three stays redeemable at three once; a card with two now needs five."""
    shop = await open_shop(stamps_needed=3)
    full, half = await shop.card(stamps=3), await shop.card(stamps=2)
    reward = await reward_of(shop, "stamps")
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await change_reward(
            session,
            owner,
            shop.store.id,
            reward_id=full_id(reward),
            changes={"threshold": 5},
            now=clock.now(),
        )
    await expire(process, clock)

    assert ((await shop.row(full)).reward_unlocked, (await shop.row(half)).reward_unlocked) == (True, False)
    redeemed = (await shop.redeem(full, reward)).json()
    assert (redeemed["stamp_count"], redeemed["cost"], redeemed["stamps_needed"]) == (0, 3, 5)
    assert (await shop.redeem(half, reward)).json()["missing"] == 3
    assert await shop.violations() == []


async def test_lowering_the_number_makes_a_card_over_it_full_and_unlocked(
    open_shop: Any, clock: Any, process: Any
) -> None:
    """Four stamps at ten become a full card when three are enough."""
    shop = await open_shop(stamps_needed=10, cooldown_minutes=0)
    card = await shop.card(stamps=4)
    reward = await reward_of(shop, "stamps")
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await change_reward(
            session,
            owner,
            shop.store.id,
            reward_id=full_id(reward),
            changes={"threshold": 3},
            now=clock.now(),
        )
    await expire(process, clock)

    assert (await shop.row(card)).reward_unlocked is True
    assert (await shop.stamp(card)).json()["code"] == "card_full"
