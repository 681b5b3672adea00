"""The worker's loops: take jobs, run them with limits, keep their hearts beating, start periodic work, poll.

Each kind of job has places of its own (places.py), so that one merchant's files and campaigns keep nobody waiting.
Any number of runners may run at once. What one was doing when it was killed is taken by another after
HEARTBEAT_TIMEOUT; a runner that is asked to stop lets its jobs finish for a while and hands the rest back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from pgqueuer.models import Job as QueuedJob

from app.db.session import system_scope, system_statements
from app.kernel.jobs import queue
from app.kernel.jobs.definition import (
    ATTEMPTS_MAX,
    GiveUp,
    Job,
    JobContext,
    Periodic,
    Poller,
    TryAgain,
    decode_arguments,
    random_jitter,
)
from app.kernel.jobs.enqueue import enqueue
from app.kernel.jobs.places import KINDS, Kind, Places, kind_of
from app.kernel.jobs.schedule import claim_due, prune_job_log
from app.kernel.jobs.traced import traced
from app.kernel.observability import JOBS, describe_exception, get_logger
from app.kernel.tracing.spans import Tracing
from app.kernel.upkeep import check_nightly, forget_keys, make_partitions
from app.kernel.web.limit_rows import prune_limits

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database
    from app.kernel.adapters import Resources
    from app.kernel.clock import Clock
    from app.kernel.registry import Registry

POLL_INTERVAL = timedelta(milliseconds=400)
# A poller that found as many has more to find.
POLL_BATCH = 100
SCHEDULE_INTERVAL = timedelta(seconds=1)
HEARTBEAT_INTERVAL = timedelta(seconds=15)
STOP_GRACE = timedelta(seconds=10)
LOOP_PAUSE_FIRST = timedelta(seconds=0.5)
LOOP_PAUSE_CAP = timedelta(seconds=10)
# A job that takes its worker down each time must not do so for ever.
CRASHES_MAX = 5
# A merchant's long work beyond its share looks again whether its turn has come.
SHARE_WAIT = timedelta(seconds=2)
DRAIN_BATCH = 8
DRAIN_LIMIT = 1_000

log = get_logger("stempel.jobs")


@dataclass(frozen=True)
class Drained:
    """What a drain did, by result."""

    done: int = 0
    tried_again: int = 0
    dead: int = 0
    polled: int = 0


class JobRunner:
    """Runs the jobs, periodic work and pollers of the registry's modules."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        settings: Settings,
        clock: Clock,
        *,
        resources: Resources,
    ) -> None:
        self._database = database
        self._clock = clock
        self._context = JobContext(
            database=database, settings=settings, clock=clock, registry=registry, resources=resources
        )
        self._periodic: list[Periodic] = [
            prune_job_log,
            prune_limits,
            check_nightly,
            forget_keys,
            make_partitions,
        ]
        self._pollers: list[Poller] = []
        self._jobs: dict[str, Job] = {}
        self._kinds: dict[str, Kind] = {}
        for module in registry.modules:
            self._periodic.extend(module.periodic)
            self._pollers.extend(module.pollers)
            for definition in module.jobs:
                self._add_job(definition, kind_of(definition, is_periodic=False))
        for periodic in self._periodic:
            self._add_job(periodic.as_job(), kind_of(periodic.as_job(), is_periodic=True))
        self._tracing = resources.find(Tracing)  # type: ignore[type-abstract]
        self._worker_id: UUID = uuid4()
        self._running: dict[int, asyncio.Task[str]] = {}
        self._places = Places()

    def _add_job(self, definition: Job, kind: Kind) -> None:
        assert definition.name not in self._jobs, f"two jobs are called {definition.name}"
        self._jobs[definition.name] = definition
        self._kinds[definition.name] = kind

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stop is set; an unreachable database is waited for."""
        loops: list[tuple[str, timedelta, Callable[[], Awaitable[object]]]] = [
            ("heartbeat", HEARTBEAT_INTERVAL, self._beat),
            ("schedule", SCHEDULE_INTERVAL, self.schedule_due),
            *(
                (f"poll {poller.__module__}", POLL_INTERVAL, partial(self._poll, poller, stop))
                for poller in self._pollers
            ),
        ]
        # The helpers go on until the last job has ended: a job finishing in the grace needs its heartbeat.
        helpers_stop = asyncio.Event()
        helpers = [
            asyncio.create_task(self._repeat(name, pause, step, helpers_stop)) for name, pause, step in loops
        ]
        try:
            await self._repeat("work", POLL_INTERVAL, partial(self._work, stop), stop)
            await self._wind_down()
        finally:
            helpers_stop.set()
            await asyncio.gather(*helpers)

    async def _poll(self, poller: Poller, stop: asyncio.Event) -> None:
        """Ask a poller until it finds less than a batch, or the worker stops."""
        while await poller(self._context) >= POLL_BATCH and not stop.is_set():
            pass

    async def _repeat(
        self, name: str, pause: timedelta, step: Callable[[], Awaitable[object]], stop: asyncio.Event
    ) -> None:
        """Run a step again and again, slower while it fails."""
        failures = 0
        while not stop.is_set():
            wait = pause
            try:
                await step()
                failures = 0
            except Exception as error:  # noqa: BLE001 (a loop that ends would silently stop the worker)
                wait = min(LOOP_PAUSE_FIRST * 2**failures, LOOP_PAUSE_CAP)
                failures = min(failures + 1, 10)
                log.error("worker_loop_failed", loop=name, reason=describe_exception(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait.total_seconds())

    async def _work(self, stop: asyncio.Event) -> None:
        """Take and start jobs until none is due for which there is a place."""
        empty_until: dict[Kind, float] = {}
        while not stop.is_set():
            found = 0
            for kind in KINDS:
                room = self._places.room(kind)
                if room <= 0 or empty_until.get(kind, 0.0) > perf_counter():
                    continue
                due = await self._start(kind, room)
                found += due
                if not due and kind != "prompt":
                    # What may wait is not asked for again with every job that ends.
                    empty_until[kind] = perf_counter() + POLL_INTERVAL.total_seconds()
            if found:
                continue
            if all(self._places.room(kind) > 0 for kind in KINDS):
                return
            await asyncio.wait(
                self._running.values(),
                timeout=POLL_INTERVAL.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def _start(self, kind: Kind, batch: int) -> int:
        """Take jobs of a kind and start those whose merchant has not used its share; returns how many were due."""
        taken = await self._take(batch, [name for name, own in self._kinds.items() if own == kind])
        for queued in taken:
            merchant_id = _merchant_of(queued)
            if self._places.is_share_used(kind, merchant_id):
                await self._put_off(queued)
                continue
            self._places.take(queued.id, kind, merchant_id)
            task = asyncio.create_task(self._run_one(queued))
            self._running[queued.id] = task
            task.add_done_callback(partial(self._forget, queued.id))
        return len(taken)

    def _forget(self, job_id: int, task: asyncio.Task[str]) -> None:
        if self._running.get(job_id) is task:
            del self._running[job_id]
            self._places.give_back(job_id)
        if not task.cancelled() and (error := task.exception()):
            # The outcome could not be written; the heartbeat stops here and the job comes back by itself.
            log.error("job_outcome_lost", job_id=job_id, reason=describe_exception(error))

    async def _take(self, batch: int, names: list[str]) -> list[QueuedJob]:
        async with system_statements(self._database) as session:
            taken = await queue.take_jobs(
                session, names=names, worker_id=self._worker_id, batch=batch, now=self._clock.now()
            )
        # After a long outage our own heartbeats look stale; what is still running here is not begun twice.
        return [queued for queued in taken if queued.id not in self._running]

    async def _run_one(self, queued: QueuedJob) -> str:
        """Run one claimed job to its outcome; returns done, tried_again, dead or gone."""
        definition = self._jobs[queued.entrypoint]
        async with system_statements(self._database) as session:
            begun = await queue.begin_job(
                session, queued.id, worker_id=self._worker_id, now=self._clock.now()
            )
        if begun is None:
            return "gone"
        attempt = begun.attempts + 1
        context = replace(self._context, merchant_id=_merchant_of(queued), attempt=attempt)
        started = perf_counter()
        with (
            structlog.contextvars.bound_contextvars(job=definition.name, job_id=queued.id, attempt=attempt),
            traced(self._tracing, queued, attempt=attempt) as span,
        ):
            try:
                if begun.starts - 1 - begun.attempts >= CRASHES_MAX:
                    raise GiveUp(f"the worker died {CRASHES_MAX} times while running this job")
                async with asyncio.timeout(definition.timeout.total_seconds()):
                    await definition.function(context, **decode_arguments(queued.payload))
            except asyncio.CancelledError:
                await asyncio.shield(self._hand_back(queued))
                raise
            except Exception as error:  # noqa: BLE001 (whatever a job raises becomes an outcome)
                result = await self._fail(queued, definition, begun, error)
                if span is not None:
                    span.fail(type(error).__name__)
            else:
                async with system_statements(self._database) as session:
                    await queue.finish_job(session, queued)
                result = "done"
            seconds = perf_counter() - started
            JOBS.labels(definition.name, result).observe(seconds)
            if span is not None:
                span.note("stempel.job.result", result)
            if result == "done":
                log.info("job_done", milliseconds=round(seconds * 1000, 1))
        return result

    async def _fail(self, queued: QueuedJob, definition: Job, begun: queue.Started, error: Exception) -> str:
        """Write a failed run down: for another try, or in the dead-letter list."""
        attempt = begun.attempts + 1
        now = self._clock.now()
        if isinstance(error, GiveUp | TryAgain):
            reason = describe_exception(error)
        elif isinstance(error, TimeoutError):
            reason = f"not finished within {definition.timeout.total_seconds():g} s"
        else:
            reason = describe_exception(error)
            log.exception("job_failed", exc_info=error)
        wait = definition.retry.delay(attempt, jitter=random_jitter())
        if isinstance(error, TryAgain) and error.after is not None:
            wait = error.after
        too_late = now + wait - begun.first_started_at > definition.retry.give_up_after
        if isinstance(error, GiveUp) or too_late or attempt >= ATTEMPTS_MAX:
            async with system_scope(self._database) as session:
                await queue.bury_job(session, queued, reason=reason)
            log.error("job_given_up", reason=reason)
            return "dead"
        async with system_statements(self._database) as session:
            await queue.try_job_again(
                session, queued, worker_id=self._worker_id, run_at=now + wait, reason=reason
            )
        log.warning("job_tries_again", reason=reason, after_seconds=round(wait.total_seconds()))
        return "tried_again"

    async def _put_off(self, queued: QueuedJob) -> None:
        async with system_statements(self._database) as session:
            await queue.put_job_off(
                session, queued.id, worker_id=self._worker_id, run_at=self._clock.now() + SHARE_WAIT
            )

    async def _hand_back(self, queued: QueuedJob) -> None:
        async with system_statements(self._database) as session:
            await queue.hand_job_back(session, queued.id, worker_id=self._worker_id)

    async def _wind_down(self) -> None:
        """Let running jobs finish for a while, then hand the rest back."""
        tasks = list(self._running.values())
        if not tasks:
            return
        _finished, late = await asyncio.wait(tasks, timeout=STOP_GRACE.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _beat(self) -> None:
        if self._running:
            async with system_statements(self._database) as session:
                await queue.beat_heart(session, list(self._running))

    async def schedule_due(self) -> int:
        """Enqueue the periodic work that is due, once however many runners ask; returns how many."""
        async with system_scope(self._database) as session:
            due = await claim_due(session, self._periodic, now=self._clock.now())
            for periodic in due:
                await enqueue(session, periodic.as_job(), merchant_id=None, key=periodic.name)
        return len(due)

    async def drain(self, *, limit: int = DRAIN_LIMIT) -> Drained:
        """Run pollers and due jobs, one after the other, until nothing is due; for tests and commands.

        Raises RuntimeError when there is still work after limit jobs.
        """
        counts = {"done": 0, "tried_again": 0, "dead": 0, "gone": 0}
        polled = 0
        while sum(counts.values()) <= limit:
            found = sum([await poller(self._context) for poller in self._pollers])
            polled += found
            taken = await self._take(DRAIN_BATCH, list(self._jobs))
            for queued in taken:
                counts[await self._run_one(queued)] += 1
            if not taken and not found:
                return Drained(counts["done"], counts["tried_again"], counts["dead"], polled)
        raise RuntimeError(f"still work to do after {limit} jobs")


def _merchant_of(queued: QueuedJob) -> UUID | None:
    """Return whose job it is; None for one of the whole installation."""
    merchant = (queued.headers or {}).get("merchant_id")
    return UUID(str(merchant)) if merchant else None
