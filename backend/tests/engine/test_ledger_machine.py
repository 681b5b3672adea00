"""A Hypothesis state machine plays a hybrid shop against a model small enough to be believed."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.config import Settings
from app.db.session import tenant_scope
from app.dependencies import StoreRef
from app.kernel.clock import FixedClock
from app.kernel.jobs.runner import JobRunner
from app.kernel.ledger import INVARIANT
from app.kernel.outcomes import Refusal
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.points.rules import add_months
from app.modules.rewards.public import (
    RedeemCommand,
    VoidCommand,
    list_rewards,
    redeem_reward,
    void_redemption,
)
from app.modules.staff.public import StaffRef
from app.modules.stores.factories import make_store
from app.modules.visits.public import AwardCommand, award_visit, void_visit
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.fixtures import START, cloned_database, database_urls

NEEDED = 4
POINTS_REWARD = 100
MONTHS = 2
MANAGER = StaffRef(id=None, name="", role="manager", via="shared_pin")


class Model:
    """What a card should hold, kept with plain lists and no cleverness."""

    def __init__(self) -> None:
        self.stamps = 0
        self.lots: dict[str, list[Any]] = {}
        self.debt = 0
        self.visits: list[tuple[str, int, str | None, int]] = []
        self.redemptions: list[tuple[str, str, list[tuple[str, int]]]] = []

    @property
    def points(self) -> int:
        """Return the balance: what the lots hold, less what is owed."""
        return sum(lot[0] for lot in self.lots.values()) - self.debt

    def take(self, points: int, first: str | None = None) -> list[tuple[str, int]]:
        """Take from the named lot, then from the one that expires soonest; what is missing is owed."""
        order = sorted(self.lots, key=lambda lot_id: (lot_id != first, self.lots[lot_id][1], lot_id))
        uses = []
        for lot_id in order:
            taken = min(self.lots[lot_id][0], points)
            if taken:
                self.lots[lot_id][0] -= taken
                points -= taken
                uses.append((lot_id, taken))
        self.debt += points
        return uses

    def give(self, lot_id: str, points: int) -> None:
        """Fill what is owed, put the rest into the lot."""
        filled = min(self.debt, points)
        self.debt -= filled
        self.lots[lot_id][0] += points - filled

    def expire(self, now: datetime) -> None:
        """Empty the lots that have run out."""
        for lot in self.lots.values():
            if lot[1] <= now:
                lot[0] = 0


class World:
    """A process and a database of its own on a loop of its own, so that Hypothesis can call it from its own thread.

    The worker does all of its nightly work for every merchant there is: here that is one.
    """

    def __init__(self, base: Settings, database_name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.clock = FixedClock(START)
        settings = base.model_copy(update=database_urls(database_name))
        self.process: Process = build_process(settings, clock=self.clock, keyring=Keyring.for_tests())
        self._owners_url = settings.database_admin_url

    def begin_anew(self) -> None:
        """Put the clock back and forget the shop before, with what its worker has done and has still to do."""
        self.clock.at = START
        self.run(self._empty())

    async def _empty(self) -> None:
        connection = await asyncpg.connect(self._owners_url)
        await connection.execute(
            "TRUNCATE merchant, job_schedule, pgqueuer, card_refresh, rollup_pending CASCADE"
        )
        await connection.close()

    def run(self, work: Any) -> Any:
        """Run a coroutine on the world's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def close(self) -> None:
        """End the loop and its thread."""
        self.run(self.process.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=10)
        self.loop.close()


WORLD: list[World] = []


class CardMachine(RuleBasedStateMachine):
    """One card of a hybrid programme with expiring points."""

    def __init__(self) -> None:
        super().__init__()
        self.world = WORLD[0]
        self.model = Model()

    @initialize()
    def open(self) -> None:
        """Open a shop with one card."""
        self.world.begin_anew()
        self.world.run(self._open())

    async def _open(self) -> None:
        database = self.world.process.database
        merchant = await make_merchant(database)
        self.store = await make_store(
            database, merchant, "hybrid", stamps_needed=NEEDED, cooldown_minutes=0, visits_per_day=0,
            points_expiry="after_earned", points_expiry_months=MONTHS,
        )  # fmt: skip
        self.ref = StoreRef(merchant.id, self.store.id)
        self.card = await make_card(database, self.store)
        async with tenant_scope(database, merchant.id) as session:
            rewards = await list_rewards(session, merchant.id, self.store.program.id)
        self.rewards = {reward.kind: reward.id for reward in rewards}

    def do(self, use_case: Any, command: Any) -> Any:
        """Run a use case in a transaction of its own."""

        async def work() -> Any:
            async with tenant_scope(self.world.process.database, self.ref.merchant_id) as session:
                return await use_case(session, self.ref, command, now=self.world.clock.now())

        return self.world.run(work())

    def award(self, *, quantity: int = 0, amount: Decimal | None = None) -> Any:
        """Ask for a visit as a manager."""
        return self.do(
            award_visit,
            AwardCommand(str(self.card.id), quantity, amount, route="t", address="t", staff=MANAGER),
        )

    @rule(quantity=st.integers(1, 6))
    def stamp(self, quantity: int) -> None:
        """Stamps fill the card up to its number and not beyond."""
        outcome = self.award(quantity=quantity)
        if self.model.stamps >= NEEDED:
            assert isinstance(outcome, Refusal)
            assert outcome.code == "card_full"
            return
        given = min(quantity, NEEDED - self.model.stamps)
        self.model.stamps += given
        self.model.visits.append((outcome.answer["visit_id"], given, None, 0))

    @rule(cents=st.integers(1, 20_000))
    def purchase(self, cents: int) -> None:
        """A purchase gives whole points, and a stamp while there is room."""
        outcome = self.award(amount=Decimal(cents) / 100)
        points, given = cents // 100, int(self.model.stamps < NEEDED)
        assert outcome.answer["points_added"] == points
        self.model.stamps += given
        visit_id = outcome.answer["visit_id"]
        if points:
            expires = add_months(self.world.clock.now(), MONTHS, time_zone="Europe/Luxembourg")
            self.model.lots[visit_id] = [0, expires]
            self.model.give(visit_id, points)
        self.model.visits.append((visit_id, given, visit_id if points else None, points))

    @rule(kind=st.sampled_from(["stamps", "points"]))
    def redeem(self, kind: str) -> None:
        """A reward is given exactly when its threshold is reached, after what ran out is gone."""
        self.model.expire(self.world.clock.now())
        outcome = self.do(
            redeem_reward, RedeemCommand(str(self.card.id), self.rewards[kind], address="t", staff=MANAGER)
        )
        reached = self.model.stamps >= NEEDED if kind == "stamps" else self.model.points >= POINTS_REWARD
        assert isinstance(outcome, Refusal) is not reached
        if not reached:
            return
        uses = [] if kind == "stamps" else self.model.take(POINTS_REWARD)
        if kind == "stamps":
            self.model.stamps -= NEEDED
        self.model.redemptions.append((outcome.answer["redemption_id"], kind, uses))

    @precondition(lambda self: self.model.visits)
    @rule(force=st.booleans(), which=st.integers(0, 1_000))
    def void_a_visit(self, force: bool, which: int) -> None:
        """A visit is taken back whole, or refused because it is spent."""
        visit_id, stamps, lot_id, points = self.model.visits[which % len(self.model.visits)]
        outcome = self.do(void_visit, VoidCommand_of(visit_id, force=force))
        spent = self.model.stamps - stamps < min(0, self.model.stamps)
        spent = spent or self.model.points - points < min(0, self.model.points)
        if spent and not force:
            assert isinstance(outcome, Refusal)
            assert outcome.code == "already_spent"
            return
        assert not isinstance(outcome, Refusal), outcome
        self.model.stamps -= stamps
        if points:
            self.model.take(points, first=lot_id)
        self.model.visits.remove((visit_id, stamps, lot_id, points))

    @precondition(lambda self: self.model.redemptions)
    @rule(which=st.integers(0, 1_000))
    def void_a_redemption(self, which: int) -> None:
        """A redemption gives back what it took, to where it was."""
        redemption_id, kind, uses = self.model.redemptions.pop(which % len(self.model.redemptions))
        outcome = self.do(void_redemption, VoidCommand_of(redemption_id))
        assert not isinstance(outcome, Refusal), outcome
        if kind == "stamps":
            self.model.stamps += NEEDED
        for lot_id, points in reversed(uses):
            self.model.give(lot_id, points)

    @rule(days=st.integers(1, 45))
    def let_time_pass(self, days: int) -> None:
        """The worker takes off what has run out."""
        self.world.clock.at += timedelta(days=days)
        self.model.expire(self.world.clock.now())
        self.world.run(self._work())

    async def _work(self) -> None:
        """Do all that the worker does: what is due of every module, and the jobs that come of it."""
        process, clock = self.world.process, self.world.clock
        runner = JobRunner(
            process.database, process.registry, process.settings, clock, resources=process.resources
        )
        assert await runner.schedule_due() > 0
        drained = await runner.drain()
        assert (drained.tried_again, drained.dead) == (0, 0)

    @invariant()
    def totals_are_the_models(self) -> None:
        """Totals, entries and lots agree with the model after every step."""
        if not hasattr(self, "card"):
            return
        row, violations = self.world.run(self._read())
        assert (row.stamp_count, row.points_balance) == (self.model.stamps, self.model.points)
        reachable = self.model.stamps >= NEEDED or self.model.points >= POINTS_REWARD
        assert row.reward_unlocked is reachable
        assert violations == []

    async def _read(self) -> tuple[PassObject, list[Any]]:
        found: list[Any] = []
        async with tenant_scope(self.world.process.database, self.ref.merchant_id) as session:
            row = await session.get(PassObject, (self.ref.merchant_id, self.card.id))
            for _name, check in INVARIANT.items():
                found.extend(await check(session))
            assert row is not None
            return row, found


def VoidCommand_of(target: str, *, force: bool = False) -> VoidCommand:  # noqa: N802 - reads as the command it makes
    """Return a manager's command to take something back."""
    from uuid import UUID

    return VoidCommand(UUID(target), "machine", staff=MANAGER, force=force)


@pytest.fixture
def world(settings: Settings, worker_id: str) -> Any:
    """Return a world that ends with the test."""
    with cloned_database(f"ledger_{worker_id}_{os.getpid()}") as name:
        made = World(settings, name)
        WORLD.append(made)
        yield made
        WORLD.clear()
        made.close()


def test_any_day_at_the_till_leaves_the_ledgers_true(world: World) -> None:
    """Whatever is given, redeemed, undone and expired in whatever order, totals equal entries and the model."""
    run_state_machine_as_test(
        CardMachine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
