"""The dead-letter list: jobs that were given up, with their reason; queued again or dropped by the operator.

All of it is asked in the system's scope. Every change is one statement on the state it found, so that a repeated
press, or two operators at once, do nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs.enqueue import connection_of

DEAD_PAGE_SIZE_MAX = 200
# So many at once: the worker takes them in turn, and the statement stays short.
DEAD_BATCH_MAX = 10_000


@dataclass(frozen=True)
class DeadJob:
    """A job that was given up: what it was, why, and since when."""

    id: int
    name: str
    merchant_id: UUID | None
    arguments: str
    reason: str
    attempts: int
    created_at: datetime
    failed_at: datetime


@dataclass(frozen=True)
class DeadKind:
    """How many jobs of a kind were given up, and when the first and the last."""

    name: str
    jobs: int
    first_at: datetime
    last_at: datetime


_LIST = """SELECT id, entrypoint, headers->>'merchant_id' AS merchant_id, payload, reason, starts,
    created, updated FROM pgqueuer
    WHERE status = 'failed' AND ($2 = '' OR entrypoint = $2) AND ($3::bigint = 0 OR id < $3)
    ORDER BY id DESC LIMIT $1"""
_KINDS = """SELECT entrypoint, count(*) AS jobs, min(updated) AS first_at, max(updated) AS last_at
    FROM pgqueuer WHERE status = 'failed' GROUP BY entrypoint ORDER BY jobs DESC, entrypoint"""
# Locked in the order of their ids, and left alone where another operator has them already.
_CHOSEN = """SELECT id FROM pgqueuer WHERE status = 'failed' AND ($1::bigint = 0 OR id = $1)
    AND ($2 = '' OR entrypoint = $2) ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED"""
_LOGGED = """, logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, '{status}', entrypoint, priority FROM changed
)
SELECT count(*) FROM changed"""
_RETRY = f"""WITH chosen AS ({_CHOSEN}), changed AS (
    UPDATE pgqueuer SET status = 'queued', attempts = 0, starts = 0, first_started_at = NULL, reason = NULL,
        queue_manager_id = NULL, updated = now(), execute_after = now() - interval '1 second'
    WHERE id IN (SELECT id FROM chosen) AND status = 'failed' RETURNING id, entrypoint, priority
){_LOGGED.format(status="queued")}"""
_DROP = f"""WITH chosen AS ({_CHOSEN}), changed AS (
    DELETE FROM pgqueuer WHERE id IN (SELECT id FROM chosen) AND status = 'failed'
    RETURNING id, entrypoint, priority
){_LOGGED.format(status="deleted")}"""


async def list_dead_jobs(
    session: AsyncSession, *, limit: int = DEAD_PAGE_SIZE_MAX, name: str = "", before: int = 0
) -> list[DeadJob]:
    """Return the jobs that were given up, newest first. name: of this kind only. before: with smaller numbers."""
    raw = await connection_of(session)
    rows = await raw.fetch(_LIST, min(limit, DEAD_PAGE_SIZE_MAX), name, before)
    return [
        DeadJob(
            id=row["id"],
            name=row["entrypoint"],
            merchant_id=UUID(row["merchant_id"]) if row["merchant_id"] else None,
            arguments=(row["payload"] or b"{}").decode(),
            reason=row["reason"] or "",
            attempts=row["starts"],
            created_at=row["created"],
            failed_at=row["updated"],
        )
        for row in rows
    ]


async def list_dead_kinds(session: AsyncSession) -> list[DeadKind]:
    """Return what kinds of jobs were given up, the most frequent first."""
    rows = await (await connection_of(session)).fetch(_KINDS)
    return [DeadKind(row["entrypoint"], row["jobs"], row["first_at"], row["last_at"]) for row in rows]


async def retry_dead_job(session: AsyncSession, job_id: int) -> bool:
    """Queue a given-up job again with a fresh count; False when there is no such job."""
    assert job_id > 0, "a job has a number"
    return await _change(session, _RETRY, job_id, "") == 1


async def retry_dead_jobs(session: AsyncSession, *, name: str = "") -> int:
    """Queue given-up jobs again, oldest first, at most DEAD_BATCH_MAX; returns how many. name: of this kind only."""
    return await _change(session, _RETRY, 0, name)


async def drop_dead_job(session: AsyncSession, job_id: int) -> bool:
    """Forget a given-up job for good; False when there is no such job."""
    assert job_id > 0, "a job has a number"
    return await _change(session, _DROP, job_id, "") == 1


async def drop_dead_jobs(session: AsyncSession, *, name: str = "") -> int:
    """Forget given-up jobs for good, at most DEAD_BATCH_MAX; returns how many. name: of this kind only."""
    return await _change(session, _DROP, 0, name)


async def _change(session: AsyncSession, statement: str, job_id: int, name: str) -> int:
    changed: int = await (await connection_of(session)).fetchval(statement, job_id, name, DEAD_BATCH_MAX)
    return changed
