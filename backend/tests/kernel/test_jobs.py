"""Jobs on a real database: what commits runs, what rolls back does not, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.session import system_scope, system_statements, tenant_scope
from app.kernel.adapters import Resources
from app.kernel.jobs import (
    Backoff,
    GiveUp,
    Periodic,
    TryAgain,
    Wish,
    enqueue,
    enqueue_all,
    job,
    list_dead_jobs,
    retry_dead_job,
)
from app.kernel.jobs import queue as queue_module
from app.kernel.jobs.enqueue import connection_of
from app.kernel.jobs.queue import begin_job, take_jobs
from app.kernel.jobs.runner import CRASHES_MAX, POLL_BATCH, JobRunner
from app.kernel.module import Module
from app.kernel.registry import Registry
from tests.waiting import WAIT_SECONDS_MAX

SHORT = Backoff(first=timedelta(seconds=10), cap=timedelta(minutes=1), give_up_after=timedelta(minutes=3))


class Bench:
    """A runner with jobs that write down what they were given."""

    def __init__(self, database, settings, clock):
        # Names of this bench only: tests share the queue and none takes another's jobs.
        mark = uuid4().hex[:8]
        self.database, self.settings, self.clock = database, settings, clock
        self.runs: list[tuple] = []
        self.ticks: list = []
        self.failure: Exception | None = None
        self.release = asyncio.Event()
        self.merchant_id = uuid4()

        @job(f"bench_{mark}.note", retry=SHORT)
        async def note(ctx, *, pass_id):
            self.runs.append((ctx.merchant_id, ctx.attempt, pass_id))
            if self.failure is not None:
                raise self.failure

        @job(f"bench_{mark}.slow", retry=SHORT, timeout=timedelta(seconds=0.05))
        async def slow(ctx):
            self.runs.append((ctx.merchant_id, ctx.attempt, None))
            await self.release.wait()

        async def tick(ctx):
            self.ticks.append(ctx.clock.now())

        self.note, self.slow = note, slow
        self.tick = Periodic(f"bench_{mark}.tick", every=timedelta(hours=1), run=tick)
        self.marks = 0

        async def poll(ctx):
            found, self.marks = self.marks, 0
            return found

        module = Module(
            name="bench",
            title="Bench",
            jobs=(note, slow),
            periodic=(self.tick,),
            pollers=(poll,),
            package="app.kernel",
        )
        self.registry = Registry([module])
        self.runner = self.make_runner()

    def make_runner(self):
        return JobRunner(self.database, self.registry, self.settings, self.clock, resources=Resources())

    async def add(self, pass_id: UUID, **options):
        async with tenant_scope(self.database, self.merchant_id) as session:
            return await enqueue(session, self.note, merchant_id=self.merchant_id, pass_id=pass_id, **options)

    async def waiting(self) -> int:
        async with system_scope(self.database) as session:
            query = text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :name AND status = 'queued'")
            return await session.scalar(query, {"name": self.note.name})

    async def dead(self):
        async with system_scope(self.database) as session:
            return [d for d in await list_dead_jobs(session) if d.name in {self.note.name, self.slow.name}]


@pytest.fixture
def bench(database, settings, clock):
    return Bench(database, settings, clock)


async def test_a_job_runs_after_the_commit_with_its_ids(bench):
    """The job gets the merchant, the attempt and its ids as they were given."""
    pass_id = uuid4()
    await bench.add(pass_id)

    drained = await bench.runner.drain()

    assert (drained.done, drained.tried_again, drained.dead) == (1, 0, 0)
    assert bench.runs == [(bench.merchant_id, 1, pass_id)]


async def test_a_rolled_back_transaction_leaves_no_job(bench):
    """Also when the enqueueing is the first statement of the session, or stands in a nested block."""
    kept = uuid4()
    async with bench.database.sessions() as session, session.begin() as transaction:
        await enqueue(session, bench.note, merchant_id=None, pass_id=uuid4())
        await transaction.rollback()
    async with tenant_scope(bench.database, bench.merchant_id) as session:
        async with session.begin_nested() as nested:
            await enqueue(session, bench.note, merchant_id=None, pass_id=uuid4())
            await nested.rollback()
        await enqueue(session, bench.note, merchant_id=None, pass_id=kept)

    await bench.runner.drain()

    assert [run[2] for run in bench.runs] == [kept]


async def test_one_job_waits_per_key_and_merchant(bench):
    """A second call on a waiting key adds nothing; another merchant's key is another key."""
    first = await bench.add(uuid4(), key="card")
    second = await bench.add(uuid4(), key="card")
    bench.merchant_id = uuid4()
    third = await bench.add(uuid4(), key="card")

    assert first == second
    assert second != third
    assert await bench.waiting() == 2


async def test_many_jobs_at_once_are_as_one_after_the_other(bench):
    """They run in the order given, a waiting key gets no second one, and a rolled back transaction leaves none."""
    cards = [uuid4() for _ in range(3)]
    waits = await bench.add(cards[0], key=str(cards[0]))
    wishes = [Wish(bench.merchant_id, {"pass_id": card}, str(card)) for card in cards]
    async with bench.database.sessions() as session, session.begin() as transaction:
        await enqueue_all(session, bench.note, wishes)
        await transaction.rollback()
    assert await bench.waiting() == 1
    async with tenant_scope(bench.database, bench.merchant_id) as session:
        await enqueue_all(session, bench.note, wishes)

    assert await bench.add(cards[0], key=str(cards[0])) == waits
    assert await bench.waiting() == 3
    await bench.runner.drain()
    assert bench.runs == [(bench.merchant_id, 1, card) for card in cards]


async def test_a_key_is_free_while_its_job_runs(bench):
    """A change made while the job runs makes a new job: the running one may have read the old state."""
    await bench.add(uuid4(), key="card")
    worker = uuid4()
    async with system_scope(bench.database) as session:
        (taken,) = await take_jobs(
            session, names=[bench.note.name], worker_id=worker, batch=1, now=bench.clock.now()
        )
    async with system_scope(bench.database) as session:
        assert await begin_job(session, taken.id, worker_id=worker, now=bench.clock.now())
    again = await bench.add(uuid4(), key="card")

    assert again != taken.id
    assert await bench.waiting() == 1


async def test_a_change_on_a_waiting_key_holds_the_job_until_its_commit(bench):
    """The job cannot start before a change that leaned on it is there to be read; without the key it can."""
    await bench.add(uuid4(), key="card")
    await bench.add(uuid4())
    async with tenant_scope(bench.database, bench.merchant_id) as session:
        await enqueue(session, bench.note, merchant_id=bench.merchant_id, key="card", pass_id=uuid4())
        during = await bench.runner.drain()
    after = await bench.runner.drain()

    assert (during.done, after.done) == (1, 1)


async def test_a_job_for_later_waits_for_the_clock(bench):
    """A second before its time it waits, at it it runs; an earlier wish on the key brings it forward."""
    later = bench.clock.now() + timedelta(minutes=5)
    await bench.add(uuid4(), run_at=later)
    await bench.add(uuid4(), key="card", run_at=later + timedelta(hours=1))
    await bench.add(uuid4(), key="card", run_at=later)
    bench.clock.at = later - timedelta(seconds=1)
    early = await bench.runner.drain()
    bench.clock.at = later
    due = await bench.runner.drain()

    assert (early.done, due.done) == (0, 2)


async def test_failures_come_back_later_and_end_in_the_list(bench):
    """Each try waits longer; after the limit the job is kept with its reason, and may be tried afresh."""
    await bench.add(uuid4())
    bench.failure = ValueError("no such host for anna@example.com")
    results = [await bench.runner.drain()]
    for _minute in range(5):
        bench.clock.advance(seconds=75)
        results.append(await bench.runner.drain())

    assert [attempt for _merchant, attempt, _id in bench.runs] == [1, 2, 3]
    assert [r.tried_again for r in results] == [1, 1, 0, 0, 0, 0]
    (dead,) = await bench.dead()
    assert (dead.merchant_id, dead.attempts) == (bench.merchant_id, 3)
    assert dead.reason == "ValueError: no such host for [address]"

    bench.failure = None
    async with system_scope(bench.database) as session:
        assert await retry_dead_job(session, dead.id)
        assert not await retry_dead_job(session, dead.id)
    assert (await bench.runner.drain()).done == 1
    assert bench.runs[-1][1] == 1
    assert await bench.dead() == []


async def test_a_job_may_give_up_or_name_its_own_time(bench):
    """GiveUp goes to the list at once; TryAgain waits as long as it says."""
    await bench.add(uuid4())
    bench.failure = TryAgain("the provider says so", after=timedelta(minutes=2))
    first = await bench.runner.drain()
    bench.clock.advance(seconds=119)
    too_early = await bench.runner.drain()
    bench.clock.advance(seconds=1)
    bench.failure = GiveUp("the pass is gone")
    last = await bench.runner.drain()

    assert (first.tried_again, too_early.tried_again, last.dead) == (1, 0, 1)
    assert [d.reason for d in await bench.dead()] == ["GiveUp: the pass is gone"]


async def test_a_retry_keeps_its_time_and_yields_to_a_newer_wish(bench):
    """While a retry waits its key makes no second job; where a newer job waits already the retry ends."""
    await bench.add(uuid4(), key="card")
    bench.failure = ValueError("down")
    await bench.runner.drain()
    await bench.add(uuid4(), key="card")
    storm = await bench.runner.drain()

    assert (storm.tried_again, await bench.waiting()) == (0, 1)

    bench.clock.advance(minutes=1)
    worker = uuid4()
    async with system_scope(bench.database) as session:
        (taken,) = await take_jobs(
            session, names=[bench.note.name], worker_id=worker, batch=1, now=bench.clock.now()
        )
    async with system_scope(bench.database) as session:
        await begin_job(session, taken.id, worker_id=worker, now=bench.clock.now())
    await bench.add(uuid4(), key="card")
    async with system_statements(bench.database) as session:
        kept = await queue_module.try_job_again(
            session, taken, worker_id=worker, run_at=bench.clock.now(), reason="down"
        )

    assert kept is False
    assert await bench.waiting() == 1


async def test_a_job_that_takes_too_long_is_ended(bench):
    """The time-out counts as a failure with its own words."""
    async with tenant_scope(bench.database, bench.merchant_id) as session:
        await enqueue(session, bench.slow, merchant_id=bench.merchant_id)

    drained = await bench.runner.drain()

    assert drained.tried_again == 1


async def test_a_killed_workers_job_is_taken_by_another(bench):
    """Picked, never finished: with a fresh heartbeat it is left alone, with an old one it runs elsewhere."""
    await bench.add(uuid4(), key="card")
    async with system_scope(bench.database) as session:
        (taken,) = await take_jobs(
            session, names=[bench.note.name], worker_id=uuid4(), batch=1, now=bench.clock.now()
        )
    alive = await bench.runner.drain()
    await _age_heartbeat(bench, taken.id)
    dead = await bench.runner.drain()

    assert (alive.done, dead.done) == (0, 1)


async def test_a_job_that_kills_its_workers_is_given_up(bench):
    """Crashes report nothing, so beginnings are counted; the list says why."""
    await bench.add(uuid4())
    for _crash in range(CRASHES_MAX):
        worker = uuid4()
        async with system_scope(bench.database) as session:
            (taken,) = await take_jobs(
                session, names=[bench.note.name], worker_id=worker, batch=1, now=bench.clock.now()
            )
        async with system_scope(bench.database) as session:
            await begin_job(session, taken.id, worker_id=worker, now=bench.clock.now())
        await _age_heartbeat(bench, taken.id)

    drained = await bench.runner.drain()

    assert drained.dead == 1
    assert bench.runs == []
    assert "worker died 5 times" in (await bench.dead())[0].reason


async def _age_heartbeat(bench, job_id):
    async with system_scope(bench.database) as session:
        await (await connection_of(session)).execute(
            "UPDATE pgqueuer SET heartbeat = now() - interval '61 seconds' WHERE id = $1", job_id
        )


async def test_two_schedulers_start_a_turn_once(bench):
    """Ten runners ask at once: one turn. After an outage: one turn, not every missed one."""
    runners = [bench.make_runner() for _number in range(10)]
    await asyncio.gather(*(runner.schedule_due() for runner in runners))
    await bench.runner.drain()
    assert len(bench.ticks) == 1

    bench.clock.advance(hours=5, minutes=1)
    for runner in runners:
        await runner.schedule_due()
    await bench.runner.drain()
    assert len(bench.ticks) == 2

    bench.clock.advance(minutes=58)
    await bench.runner.schedule_due()
    await bench.runner.drain()
    assert len(bench.ticks) == 2


async def test_a_runner_works_until_it_is_stopped(bench):
    """Jobs added while it runs are run, and the stop waits for them."""
    stop = asyncio.Event()
    running = asyncio.create_task(bench.runner.run(stop))
    ids = [uuid4() for _number in range(30)]
    for pass_id in ids:
        await bench.add(pass_id)
    async with asyncio.timeout(20):
        while len(bench.runs) < len(ids):
            await asyncio.sleep(0.01)
    stop.set()
    await running

    assert sorted(run[2] for run in bench.runs) == sorted(ids)
    assert await bench.waiting() == 0


async def test_pollers_run_within_a_drain(bench):
    """Marks are taken before jobs, until none is left."""
    bench.marks = 3

    assert (await bench.runner.drain()).polled == 3


async def test_a_poller_that_always_finds_more_does_not_hold_up_the_stop(bench):
    """A worker that is asked to stop ends, although its poller returns a whole batch each time."""
    asked = asyncio.Event()

    async def poll_for_ever(_context):
        asked.set()
        await asyncio.sleep(0)
        return POLL_BATCH

    bench.runner._pollers = [poll_for_ever]
    stop = asyncio.Event()
    running = asyncio.create_task(bench.runner.run(stop))
    await asyncio.wait_for(asked.wait(), WAIT_SECONDS_MAX)
    stop.set()
    await asyncio.wait_for(running, WAIT_SECONDS_MAX)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"pass_id": "anna@example.com"}, ValueError),
        ({"pass_id": "x" * 201}, ValueError),
        ({"pass_id": 1.5}, TypeError),
        ({"pass_id": object()}, TypeError),
        ({"other": 1}, TypeError),
        ({}, TypeError),
    ],
)
async def test_arguments_are_ids_only(bench, arguments, error):
    """Addresses, texts and objects are refused where the mistake is made, and nothing is queued."""
    async with tenant_scope(bench.database, bench.merchant_id) as session:
        with pytest.raises(error):
            await enqueue(session, bench.note, merchant_id=None, **arguments)

    assert await bench.waiting() == 0
