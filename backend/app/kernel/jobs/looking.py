"""How the queue fares: what waits, since when, what runs, what fails; and whether any worker is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs.enqueue import connection_of

FAILING_LISTED_MAX = 200


@dataclass(frozen=True)
class QueueLine:
    """The jobs of one kind.

    due: could run now. later: wait for their time. running. trying: have failed and will be tried again; they are
    among due and later. dead: given up. oldest_wait: how long the oldest due one has waited.
    """

    name: str
    due: int
    later: int
    running: int
    trying: int
    dead: int
    oldest_wait: timedelta


@dataclass(frozen=True)
class Failing:
    """Jobs of one kind and shop that fail for the same reason. is_dead: given up, else tried again."""

    name: str
    merchant_id: UUID | None
    reason: str
    jobs: int
    is_dead: bool
    last_at: datetime


# A parked job's time is in the application's clock ($1), a due one's in the database's.
_QUEUES = """SELECT entrypoint,
    count(*) FILTER (WHERE is_due) AS due,
    count(*) FILTER (WHERE status = 'queued' AND NOT is_due) AS later,
    count(*) FILTER (WHERE status = 'picked') AS running,
    count(*) FILTER (WHERE status = 'queued' AND reason IS NOT NULL) AS trying,
    count(*) FILTER (WHERE status = 'failed') AS dead,
    coalesce(max(waited) FILTER (WHERE is_due), interval '0') AS oldest_wait
FROM (
    SELECT entrypoint, status, reason,
        status = 'queued' AND (CASE WHEN run_at IS NULL THEN execute_after <= now() ELSE run_at <= $1 END) AS is_due,
        CASE WHEN run_at IS NULL THEN now() - execute_after ELSE $1 - run_at END AS waited
    FROM pgqueuer
) AS job GROUP BY entrypoint ORDER BY entrypoint"""
# greatest() leaves out what is null: an empty schedule must stay null.
_OVERDUE = """SELECT CASE WHEN count(*) > 0 THEN greatest($1 - min(next_run_at), interval '0') END
FROM job_schedule"""
_FAILING = """SELECT entrypoint, headers->>'merchant_id' AS merchant_id, reason, status = 'failed' AS is_dead,
    count(*) AS jobs, max(updated) AS last_at
FROM pgqueuer
WHERE reason IS NOT NULL AND status IN ('queued', 'failed') AND entrypoint LIKE $1
GROUP BY 1, 2, 3, 4 ORDER BY jobs DESC, last_at DESC LIMIT $2"""


async def list_queues(session: AsyncSession, *, now: datetime) -> list[QueueLine]:
    """Return every kind of job that is in the queue (system scope)."""
    rows = await (await connection_of(session)).fetch(_QUEUES, now)
    return [QueueLine(row["entrypoint"], *tuple(row)[1:]) for row in rows]


async def find_schedule_delay(session: AsyncSession, *, now: datetime) -> timedelta | None:
    """Return how long the most overdue periodic work has waited; None before any worker ever ran (system scope).

    A worker claims what is due every second: more than a minute or two means that none is running.
    """
    delay: timedelta | None = await (await connection_of(session)).fetchval(_OVERDUE, now)
    return delay


async def list_failing(session: AsyncSession, *, prefix: str = "") -> list[Failing]:
    """Return what fails, by kind, shop and reason, the most frequent first (system scope). prefix: of the kind."""
    pattern = prefix.replace("_", r"\_") + "%"
    rows = await (await connection_of(session)).fetch(_FAILING, pattern, FAILING_LISTED_MAX)
    return [
        Failing(
            name=row["entrypoint"],
            merchant_id=UUID(row["merchant_id"]) if row["merchant_id"] else None,
            reason=row["reason"],
            jobs=row["jobs"],
            is_dead=row["is_dead"],
            last_at=row["last_at"],
        )
        for row in rows
    ]
