"""Refresh marks: no change falls between the mark that is taken and the card that is read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import GiveUp, JobContext, TryAgain
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.stores.models import Program
from app.modules.wallets import hooks, marks
from app.modules.wallets.jobs import poll_marks, refresh_card, worst_failure
from app.modules.wallets.marks import assign_update_tag, take_marks
from app.modules.wallets.models import CardRefresh
from app.modules.wallets.public import card_view, mark_changed, mark_program_changed
from app.process import Process

# The marks of a redesign, for a batch of the poll.
LARGE = marks.MANY_MARKS + 4


class Recorder:
    """An output that notes what it saw of the card at each update."""

    def __init__(self) -> None:
        self.seen: dict[UUID, list[str]] = {}
        self.failures: list[Exception] = []

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Read the card in a transaction of its own, as outputs do."""
        async with context.session() as session:
            view = await card_view(session, merchant_id, pass_id, locale="en", now=context.clock.now())
        self.seen.setdefault(pass_id, []).append(view.program_name)
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Return the one output in effect."""
    recorder = Recorder()
    monkeypatch.setattr(hooks.OUTPUT, "_offers", {"recorder": recorder})
    return recorder


@pytest.fixture
def runner(process: Process) -> JobRunner:
    """Return a worker that is driven by hand."""
    return JobRunner(
        process.database, process.registry, process.settings, process.clock, resources=process.resources
    )


@pytest.fixture
def work(process: Process) -> JobContext:
    """Return a poller's context."""
    return JobContext(process.database, process.settings, process.clock, process.registry, process.resources)


async def made_card(database: Database, runner: JobRunner) -> MadeCard:
    """Return a card whose outputs are up to date."""
    card = await make_card(database, await make_store(database, await make_merchant(database)))
    await runner.drain()
    return card


async def rename_program(session: AsyncSession, card: MadeCard, name: str) -> None:
    """Change what the card shows without touching the card's own row."""
    await session.execute(
        update(Program)
        .where(Program.merchant_id == card.merchant_id, Program.id == card.program_id)
        .values(name=name)
    )


async def marks_of(database: Database, card: MadeCard) -> int:
    """Return how many marks the card has."""
    async with tenant_scope(database, card.merchant_id) as session:
        rows = await session.scalars(select(CardRefresh.pass_id).where(CardRefresh.pass_id == card.id))
        return len(rows.all())


async def interleave(database: Database, runner: JobRunner, card: MadeCard) -> None:
    """Leave a mark, change the card in a transaction that is still open, and let the worker run meanwhile."""
    async with tenant_scope(database, card.merchant_id) as session:
        await mark_changed(session, card.merchant_id, card.id)
    async with tenant_scope(database, card.merchant_id) as session:
        await rename_program(session, card, "New name")
        await mark_changed(session, card.merchant_id, card.id)
        await runner.drain()
    await runner.drain()


async def test_a_change_beside_the_poll_is_shown(
    database: Database, runner: JobRunner, recorder: Recorder
) -> None:
    """The worker runs between a second change's mark and its commit; the output shows the change."""
    card = await made_card(database, runner)

    await interleave(database, runner, card)

    assert recorder.seen[card.id][-1] == "New name"
    assert await marks_of(database, card) == 0


async def test_without_the_marks_lock_the_change_is_lost(
    database: Database, runner: JobRunner, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with DO NOTHING in place of the lock, the same order of events loses the change."""

    async def mark_without_lock(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
        statement = insert(CardRefresh).values(merchant_id=merchant_id, pass_id=pass_id)
        await session.execute(statement.on_conflict_do_nothing())

    card = await made_card(database, runner)
    monkeypatch.setitem(globals(), "mark_changed", mark_without_lock)

    await interleave(database, runner, card)

    assert recorder.seen[card.id][-1] == "CoffeeLux Gare"
    assert await marks_of(database, card) == 0


async def test_a_mark_left_while_the_job_runs_makes_a_new_job(
    database: Database, runner: JobRunner, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output has read the card already when it changes again: it is told a second time."""
    card = await made_card(database, runner)
    plain_update = Recorder.update

    async def change_afterwards(
        self: Recorder, context: JobContext, *, merchant_id: UUID, pass_id: UUID
    ) -> None:
        await plain_update(self, context, merchant_id=merchant_id, pass_id=pass_id)
        if len(self.seen[pass_id]) == 1:
            async with tenant_scope(database, merchant_id) as session:
                await rename_program(session, card, "Second")
                await mark_changed(session, merchant_id, pass_id)
            await poll_marks(replace(context, merchant_id=None))

    monkeypatch.setattr(Recorder, "update", change_afterwards)
    async with tenant_scope(database, card.merchant_id) as session:
        await rename_program(session, card, "First")
        await mark_changed(session, card.merchant_id, card.id)

    await runner.drain()

    assert recorder.seen[card.id] == ["First", "Second"]


async def test_many_changes_are_one_refresh(
    database: Database, runner: JobRunner, recorder: Recorder
) -> None:
    """A hundred changes before the worker comes leave one mark and one update."""
    card = await made_card(database, runner)
    for number in range(100):
        async with tenant_scope(database, card.merchant_id) as session:
            await rename_program(session, card, f"Name {number}")
            await mark_changed(session, card.merchant_id, card.id)
    assert await marks_of(database, card) == 1

    await runner.drain()

    assert recorder.seen[card.id] == ["Name 99"]


async def test_the_poll_does_not_wait_for_a_change_in_progress(
    database: Database, runner: JobRunner, recorder: Recorder
) -> None:
    """A mark that is held is left for the next poll; others are taken at once."""
    held, free = await made_card(database, runner), await made_card(database, runner)
    for card in (held, free):
        async with tenant_scope(database, card.merchant_id) as session:
            await mark_changed(session, card.merchant_id, card.id)
    async with tenant_scope(database, held.merchant_id) as session:
        await mark_changed(session, held.merchant_id, held.id)
        async with asyncio.timeout(2):
            await runner.drain()
        assert free.id in recorder.seen
        assert held.id not in recorder.seen
    await runner.drain()
    assert held.id in recorder.seen


async def test_two_pollers_take_a_mark_once(database: Database, runner: JobRunner) -> None:
    """Marks are shared out between workers, none is taken twice."""
    card = await made_card(database, runner)
    async with tenant_scope(database, card.merchant_id) as session:
        await mark_changed(session, card.merchant_id, card.id)
    async with system_scope(database) as first, system_scope(database) as second:
        taken = await take_marks(first), await take_marks(second)
    assert [len(marks) for marks in taken] == [1, 0]


async def test_a_rolled_back_poll_keeps_the_marks(database: Database, runner: JobRunner) -> None:
    """A worker that dies between taking and queueing loses nothing."""
    card = await made_card(database, runner)
    async with tenant_scope(database, card.merchant_id) as session:
        await mark_changed(session, card.merchant_id, card.id)

    async def die_after_taking() -> None:
        async with system_scope(database) as session:
            assert (card.merchant_id, card.id) in await take_marks(session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await die_after_taking()
    assert await marks_of(database, card) == 1
    await runner.drain()


async def test_update_tags_rise_in_the_order_of_their_commits(database: Database, runner: JobRunner) -> None:
    """A second tag is not given before the first one is visible."""
    one, two = await made_card(database, runner), await made_card(database, runner)
    order: list[str] = []

    async def second() -> int | None:
        async with tenant_scope(database, two.merchant_id) as session:
            tag = await assign_update_tag(session, two.merchant_id, two.id)
            order.append("second")
            return tag

    async with tenant_scope(database, one.merchant_id) as session:
        first_tag = await assign_update_tag(session, one.merchant_id, one.id)
        waiting = asyncio.create_task(second())
        done, _pending = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        order.append("first")
    second_tag = await waiting

    assert order == ["first", "second"]
    assert first_tag is not None
    assert second_tag == first_tag + 1
    async with tenant_scope(database, two.merchant_id) as session:
        stored = await session.get(PassObject, (two.merchant_id, two.id))
        assert stored is not None
        assert stored.update_tag == second_tag


async def test_an_unknown_card_is_no_error(work: JobContext, database: Database, runner: JobRunner) -> None:
    """A card of another merchant, or one that is gone, is left alone."""
    card = await made_card(database, runner)
    stranger = await make_merchant(database)
    await refresh_card(replace(work, merchant_id=stranger.id), pass_id=card.id)


async def test_one_failing_output_does_not_hold_up_the_others(
    database: Database,
    runner: JobRunner,
    recorder: Recorder,
    work: JobContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every output is told; the one that may be tried again decides that the job is."""
    failing = Recorder()
    failing.failures = [TryAgain("429")]
    monkeypatch.setattr(hooks.OUTPUT, "_offers", {"failing": failing, "recorder": recorder})
    card = await made_card(database, runner)

    with pytest.raises(TryAgain, match="429"):
        await refresh_card(replace(work, merchant_id=card.merchant_id), pass_id=card.id)

    assert recorder.seen[card.id] == ["CoffeeLux Gare"]


def test_trying_again_wins_over_giving_up() -> None:
    """As long as one output can still be reached, the job goes on."""
    again, bug, end = TryAgain("later"), ValueError("bug"), GiveUp("never")

    assert worst_failure([end, bug, again]) is again
    assert worst_failure([end, bug]) is bug
    assert worst_failure([end]) is end


async def test_a_changed_programme_marks_its_cards(
    database: Database, runner: JobRunner, recorder: Recorder
) -> None:
    """Every card of the programme is refreshed, and no card of another one."""
    card, other = await made_card(database, runner), await made_card(database, runner)
    async with tenant_scope(database, card.merchant_id) as session:
        await rename_program(session, card, "Fresh")
        await mark_program_changed(session, card.merchant_id, card.program_id)

    await runner.drain()

    assert recorder.seen[card.id] == ["Fresh"]
    assert other.id not in recorder.seen


async def cards_of_one(database: Database, count: int) -> list[MadeCard]:
    """Return so many cards of one shop."""
    store = await make_store(database, await make_merchant(database))
    return [await make_card(database, store) for _number in range(count)]


async def change(database: Database, *cards: MadeCard) -> None:
    """Leave a mark on each."""
    for card in cards:
        async with tenant_scope(database, card.merchant_id) as session:
            await mark_changed(session, card.merchant_id, card.id)


async def order_of_refreshes(
    database: Database, runner: JobRunner, recorder: Recorder
) -> tuple[UUID, list[UUID]]:
    """Change all cards of one shop and then one card of another; return that one, and who was shown in which order."""
    many, (one,) = await cards_of_one(database, LARGE), await cards_of_one(database, 1)
    await runner.drain()
    recorder.seen.clear()
    await change(database, *many, one)
    await runner.drain()
    assert len(recorder.seen) == LARGE + 1
    return one.id, list(recorder.seen)


async def test_a_card_next_door_passes_a_redesign(
    database: Database,
    runner: JobRunner,
    recorder: Recorder,
) -> None:
    """Marked last, shown first."""
    one, order = await order_of_refreshes(database, runner, recorder)

    assert order[0] == one


async def test_control_first_come_first_served_it_would_wait(
    database: Database,
    runner: JobRunner,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no number of marks is many, the one card is shown after all others."""
    monkeypatch.setattr(marks, "MANY_MARKS", LARGE)
    one, order = await order_of_refreshes(database, runner, recorder)

    assert order[-1] == one


async def test_a_redesign_rests_while_its_marks_wait(
    database: Database,
    runner: JobRunner,
    recorder: Recorder,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It marks some and comes back for the rest; a change made meanwhile reaches all cards, too."""
    cards = await cards_of_one(database, 7)
    await runner.drain()
    monkeypatch.setattr(marks, "PROGRAM_BATCH", 2)
    monkeypatch.setattr(marks, "MARKS_WAITING_MAX", 3)
    await redesign(database, runner, cards[0], "First")
    marked = sum([await marks_of(database, card) for card in cards])
    recorder.seen.clear()
    await redesign(database, runner, cards[0], "Second")
    for _turn in range(len(cards)):
        await runner.drain()
        clock.advance(seconds=2)

    assert marked == 4
    assert {seen[-1] for seen in recorder.seen.values()} == {"Second"}
    assert set(recorder.seen) == {card.id for card in cards}


async def redesign(database: Database, runner: JobRunner, card: MadeCard, name: str) -> None:
    """Change the look of all cards, and let the one job begin that marks them, without the poll that takes marks."""
    async with tenant_scope(database, card.merchant_id) as session:
        await rename_program(session, card, name)
        await mark_program_changed(session, card.merchant_id, card.program_id)
    for queued in await runner._take(8, ["wallets.mark_program"]):
        await runner._run_one(queued)
