"""The worker's statements of the queue: pgqueuer's where it has one, ours for keys and clocks.

How a key stays "one waiting job" without losing a change: enqueueing on a key that waits locks that row until
the caller commits, and the worker skips locked rows, so the job starts after the change is there. Starting a
job takes the key off it (which waits for such a lock, too), so a change made while it runs makes a new job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import asyncpg
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.models import Job as QueuedJob
from pgqueuer.ports.repository import EntrypointExecutionParameter
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs.enqueue import connection_of

# A job found picked with an older heartbeat belonged to a worker that died; another one takes it.
HEARTBEAT_TIMEOUT = timedelta(seconds=60)
PROMOTE_BATCH = 1_000
REASON_LENGTH_MAX = 500


@cache
def _names() -> DBSettings:
    # Named explicitly: pgqueuer would else take them from bare environment variables such as CHANNEL.
    return DBSettings(
        prefix="",
        db_schema=None,
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        statistics_table="pgqueuer_statistics",
        schedules_table="pgqueuer_schedules",
        queue_status_type="pgqueuer_status",
        function="fn_pgqueuer_changed",
        trigger="tg_pgqueuer_changed",
    )


@cache
def _builders() -> tuple[QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder]:
    return QueryBuilderEnvironment(_names()), QueryQueueBuilder(_names()), QuerySchedulerBuilder(_names())


async def queries_of(session: AsyncSession) -> Queries:
    """Return pgqueuer's statements on the session's own connection."""
    environment, queue, scheduler = _builders()
    return Queries(AsyncpgDriver(await connection_of(session)), environment, queue, scheduler)


_PROMOTE = """UPDATE pgqueuer SET run_at = NULL, execute_after = now() - interval '1 second' WHERE id IN (
    SELECT id FROM pgqueuer WHERE status = 'queued' AND run_at <= $1
    ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED)"""

_BEGIN = """UPDATE pgqueuer SET dedupe_key = NULL, starts = starts + 1,
    first_started_at = coalesce(first_started_at, $3)
    WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'
    RETURNING starts, attempts, first_started_at"""

_TRY_AGAIN = """UPDATE pgqueuer SET status = 'queued', attempts = attempts + 1, updated = now(),
    queue_manager_id = NULL, execute_after = now() + interval '36500 days', run_at = $3, reason = $4,
    dedupe_key = headers->>'key'
    WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'"""

_PUT_OFF = """UPDATE pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL,
    execute_after = now() + interval '36500 days', run_at = $3
    WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'"""

_HAND_BACK = """UPDATE pgqueuer SET status = 'queued', starts = greatest(starts - 1, 0), updated = now(),
    queue_manager_id = NULL, execute_after = now() - interval '1 second', run_at = NULL
    WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'"""


@dataclass(frozen=True)
class Started:
    """How often a job has been begun and has failed, this beginning included."""

    starts: int
    attempts: int
    first_started_at: datetime


async def take_jobs(
    session: AsyncSession, *, names: list[str], worker_id: UUID, batch: int, now: datetime
) -> list[QueuedJob]:
    """Claim due jobs, and those of workers whose heartbeat stopped, for this worker."""
    queries = await queries_of(session)
    await queries.driver.execute(_PROMOTE, now, PROMOTE_BATCH)
    return await queries.dequeue(
        batch_size=batch,
        entrypoints={
            QueueEntrypoint(name): EntrypointExecutionParameter(concurrency_limit=0) for name in names
        },
        queue_manager_id=QueueManagerId(worker_id),
        global_concurrency_limit=None,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
    )


async def begin_job(session: AsyncSession, job_id: int, *, worker_id: UUID, now: datetime) -> Started | None:
    """Count the beginning and take the key off; None when the job is no longer this worker's."""
    row = await (await connection_of(session)).fetchrow(_BEGIN, job_id, worker_id, now)
    return Started(row["starts"], row["attempts"], row["first_started_at"]) if row else None


async def finish_job(session: AsyncSession, queued: QueuedJob) -> None:
    """Remove a job that is done."""
    await (await queries_of(session)).log_jobs([(queued, "successful", None)])


async def try_job_again(
    session: AsyncSession, queued: QueuedJob, *, worker_id: UUID, run_at: datetime, reason: str
) -> bool:
    """Put a failed job back for later; False when a newer job with its key waits already.

    session: one of single statements; in a transaction the collision would end all of it.
    """
    raw = await connection_of(session)
    assert not raw.is_in_transaction(), "ask in a session of single statements"
    try:
        await raw.execute(_TRY_AGAIN, queued.id, worker_id, run_at, reason[:REASON_LENGTH_MAX])
    except asyncpg.UniqueViolationError:
        await (await queries_of(session)).log_jobs([(queued, "deleted", None)])
        return False
    return True


async def put_job_off(session: AsyncSession, job_id: int, *, worker_id: UUID, run_at: datetime) -> None:
    """Put back a job that was taken and not begun, for later; it counts neither as begun nor as failed."""
    await (await connection_of(session)).execute(_PUT_OFF, job_id, worker_id, run_at)


async def hand_job_back(session: AsyncSession, job_id: int, *, worker_id: UUID) -> None:
    """Give up a job because this worker is stopping; not counted as a try."""
    await (await connection_of(session)).execute(_HAND_BACK, job_id, worker_id)


async def bury_job(session: AsyncSession, queued: QueuedJob, *, reason: str) -> None:
    """Keep a job that failed for good in the dead-letter list."""
    queries = await queries_of(session)
    await queries.log_jobs([(queued, "failed", None)])
    await queries.driver.execute(
        "UPDATE pgqueuer SET reason = $2, run_at = NULL, dedupe_key = NULL WHERE id = $1",
        queued.id,
        reason[:REASON_LENGTH_MAX],
    )


async def beat_heart(session: AsyncSession, job_ids: list[int]) -> None:
    """Say that these jobs are still being worked on."""
    await (await queries_of(session)).update_heartbeat([JobId(job_id) for job_id in job_ids])
