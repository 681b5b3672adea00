"""Roll-ups equal the raw rows, whatever happened and in whatever order it was committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import Database, driver_of, tenant_scope
from app.modules.analytics.counting import service
from app.modules.analytics.counting.service import begin_counting, continue_counting, count_pending
from app.modules.analytics.counting.statements import TAKE
from app.modules.analytics.jobs import poll_pending
from app.modules.analytics.tests.world import World, context_of, runner_of
from app.modules.cards.public import lock_card, merge_cards
from app.modules.wallets.jobs import poll_marks
from app.modules.wallets.public import mark_changed
from app.process import Process
from tests.fixtures import START
from tests.waiting import Meeting, Signal, somebody_waits


async def count(process: Process) -> None:
    """Do what the worker does until nothing waits."""
    context = context_of(process)
    while await poll_marks(context) + await poll_pending(context):
        pass


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_rollups_equal_the_raw_rows(process: Process, seed: int) -> None:
    """After random visits, rewards, voids, merges and changes of balance every roll-up is what plain loops count."""
    world = await World(process.database, seed).open()
    for _round in range(6):
        await world.live(25)
        await count(process)

        assert await world.counted() == await world.expected()


async def test_counting_anew_gives_the_same(process: Process) -> None:
    """Rebuilt beside the figures in use, the roll-ups are the same, also while things go on happening."""
    world = await World(process.database, 9).open()
    await world.live(80)
    await count(process)
    async with tenant_scope(process.database, world.merchant.id) as session:
        await begin_counting(session, world.merchant.id, now=START)
    await world.live(40)
    await count(process)

    assert await world.counted() == await world.expected()
    builds = await world.rows(
        "SELECT build, live, complete FROM rollup_state WHERE merchant_id = :m ORDER BY build"
    )
    assert [tuple(row) for row in builds if row.live] == [(2, True, True)]


async def test_a_counting_goes_on_where_it_was(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counting that is interrupted keeps the old figures on the pages and goes on after the last customer."""
    world = await World(process.database, 10).open()
    await world.live(80)
    await count(process)
    monkeypatch.setattr("app.modules.analytics.counting.service.CUSTOMERS_A_BATCH", 4)
    async with tenant_scope(process.database, world.merchant.id) as session:
        await begin_counting(session, world.merchant.id, now=START)
    state = await world.rows(
        "SELECT live, complete, cursor FROM rollup_state WHERE merchant_id = :m AND build = 2"
    )
    assert (state[0].live, state[0].complete) == (False, False)
    assert await world.counted() == await world.expected()

    # Things happen to customers before and behind the cursor.
    await world.live(60)
    await count(process)
    assert await world.counted() == await world.expected()
    batches = 0
    more = True
    while more:
        async with tenant_scope(process.database, world.merchant.id) as session:
            more = await continue_counting(session, world.merchant.id, now=START)
        batches += 1

    assert batches > 2
    state = await world.rows("SELECT live FROM rollup_state WHERE merchant_id = :m ORDER BY build")
    assert [row.live for row in state] == [False, True]
    assert await world.counted() == await world.expected()


async def test_a_changed_time_zone_counts_anew(process: Process) -> None:
    """The day is the store's: when its zone changes, all figures follow."""
    world = await World(process.database, 11).open()
    await world.join()
    await world.visit(at=START.replace(hour=23, minute=30))
    await count(process)
    before = await world.counted()
    await world.rows("UPDATE store SET time_zone = :zone WHERE merchant_id = :m", zone="America/New_York")
    world.stores = [_with_zone(store, "America/New_York") for store in world.stores]
    await world.visit()
    await count(process)

    assert await world.counted() == await world.expected()
    assert (await world.counted())["day"] != before["day"]


async def test_changes_during_a_long_counting_wait_for_nobody(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one worker counts a merchant anew, the pollers pass by; what changed is counted by that worker's job."""
    world = await World(process.database, 17).open()
    await world.live(60)
    await count(process)
    monkeypatch.setattr(service, "CUSTOMERS_A_BATCH", 4)
    async with tenant_scope(process.database, world.merchant.id) as session:
        await begin_counting(session, world.merchant.id, now=START)
        await world.live(30)
        while await poll_marks(context_of(process)):
            pass
        waiting = "SELECT count(*) FROM rollup_pending WHERE merchant_id = :m"
        before = (await world.rows(waiting))[0][0]
        assert await poll_pending(context_of(process)) == 0
        assert (await world.rows(waiting))[0][0] == before > 0

    await runner_of(process).drain()
    assert (await world.rows(waiting))[0][0] == 0
    assert await world.counted() == await world.expected()


def _with_zone(store: object, zone: str) -> object:
    from dataclasses import replace

    return replace(store, time_zone=zone)  # type: ignore[type-var]


class Held:
    """A transaction that stays open while others commit."""

    def __init__(self, database: Database, world: World) -> None:
        self.session = database.sessions()
        self.world = world

    async def visit(self, *, mark: bool) -> None:
        """Write a visit, and its mark or not, without committing."""
        merchant_id, card = self.world.merchant.id, self.world.cards[0]
        await self.session.execute(
            text("SELECT set_config('stempel.merchant_id', :m, true)"), {"m": str(merchant_id)}
        )
        self.session.info["merchant_id"] = merchant_id
        await lock_card(self.session, merchant_id, card.id)
        await self.session.execute(
            text(
                "INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, stamps, at)"
                " VALUES (:m, :id, :store, :card, 'pin', 'staff_device', 'EUR', 1, :at)"
            ),
            {
                "m": merchant_id,
                "id": self.world.early_id,
                "store": self.world.stores[0].id,
                "card": card.id,
                "at": START,
            },
        )
        if mark:
            await mark_changed(self.session, merchant_id, card.id)

    async def commit(self) -> None:
        """Let it end."""
        await self.session.commit()
        await self.session.close()


async def visits_of(world: World) -> int:
    """Return how many visits are counted."""
    return sum(cell[0] for cell in (await world.counted())["day"].values())


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_late_commit_is_not_missed(process: Process, guarded: bool) -> None:  # noqa: FBT001
    """A visit written first and committed last is counted, although later ones were counted meanwhile.

    The control: without the mark that its transaction holds, it is missed; a watermark over ids would miss it, too.
    """
    world = await World(process.database, 12).open()
    await world.join()
    await world.join()
    await count(process)
    from app.utils.id_generator import new_id

    world.early_id = new_id()
    late = Held(process.database, world)
    await late.visit(mark=guarded)
    await world.visit(world.cards[1], at=START)
    await count(process)
    assert await visits_of(world) == 1
    await late.commit()
    await count(process)

    assert await visits_of(world) == (2 if guarded else 1)


async def test_a_change_between_taking_and_reading_is_counted(process: Process) -> None:
    """A card whose note is being taken leaves another one, so that what comes in between is counted afterwards."""
    world = await World(process.database, 13).open()
    await world.join()
    await count(process)
    await world.visit(world.cards[0], at=START)
    await poll_marks(context_of(process))
    async with tenant_scope(process.database, world.merchant.id) as session:
        await count_pending(session, world.merchant.id, now=START)
        # The note is taken and the card is read; this one comes before the count is committed.
        await world.visit(world.cards[0], at=START + timedelta(minutes=1))
    await count(process)

    assert await visits_of(world) == 2


async def test_the_worker_counts_by_itself(process: Process) -> None:
    """The worker's ordinary round brings a new merchant's figures up to date."""
    world = await World(process.database, 14).open()
    await world.live(30)
    await runner_of(process).drain()

    assert await world.counted() == await world.expected()


async def joined_cards(process: Process, seed: int) -> World:
    """Return a world in which two notes wait for one person: two cards that were joined, one of them just used."""
    world = await World(process.database, seed).open()
    source, target = await world.join(), await world.join()
    await count(process)
    await world.visit(target, at=START)
    async with tenant_scope(process.database, world.merchant.id) as session:
        await merge_cards(session, world.merchant.id, source_id=source.id, target_id=target.id, now=START)
    while await poll_marks(context_of(process)):
        pass
    waiting = await world.rows("SELECT pass_id FROM rollup_pending WHERE merchant_id = :m")
    assert {row.pass_id for row in waiting} == {source.id, target.id}
    return world


async def two_workers(process: Process, world: World) -> None:
    """Let two workers count at the same moment, a card each."""

    async def work() -> None:
        async with tenant_scope(process.database, world.merchant.id) as session:
            await count_pending(session, world.merchant.id, now=START)

    await asyncio.gather(work(), work())


async def test_two_workers_count_a_visit_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes another card of one person at the same moment; the person's visit is added once."""
    monkeypatch.setattr(service, "CARDS_A_TURN", 1)
    world = await joined_cards(process, 15)
    await two_workers(process, world)

    assert await world.counted() == await world.expected()
    assert await visits_of(world) == 1


AS_A_SUBQUERY = """DELETE FROM rollup_pending WHERE merchant_id = $1 AND pass_id IN (
    SELECT pass_id FROM rollup_pending WHERE merchant_id = $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING pass_id"""


@pytest.mark.parametrize(("statement", "taken"), [(TAKE, 1), (AS_A_SUBQUERY, 2)])
async def test_no_more_cards_are_taken_than_a_turn_has(process: Process, statement: str, taken: int) -> None:
    """However the server plans it; the control, with the choice as a subquery, takes both where it is run again."""
    world = await joined_cards(process, 17)
    async with tenant_scope(process.database, world.merchant.id) as session:
        raw = await driver_of(session)
        for way in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
            await raw.execute(f"SET LOCAL enable_{way} = off")
        rows = await raw.fetch(statement, world.merchant.id, 1)

    assert len(rows) == taken


async def test_control_without_the_lock_two_workers_count_it_twice(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the merchant's lock taken away both read the same "was" and add the same difference."""
    monkeypatch.setattr(service, "CARDS_A_TURN", 1)
    world = await joined_cards(process, 16)
    monkeypatch.setattr(service, "_STATES", service._STATES.replace("FOR UPDATE", ""))
    both_have_taken, one_has_written, real = Meeting(2), Signal(), service._count

    async def write_on_what_was(*given: Any, **named: Any) -> None:
        if await both_have_taken.wait() == 0:
            await real(*given, **named)
            one_has_written.set()
            # The other has read before this one commits: it stands at the rows that this one holds.
            return await somebody_waits(process.database)
        await one_has_written.wait()
        return await real(*given, **named)

    monkeypatch.setattr(service, "_count", write_on_what_was)
    await two_workers(process, world)

    assert await visits_of(world) == 2
