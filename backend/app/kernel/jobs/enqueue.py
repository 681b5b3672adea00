"""Enqueueing: what the web process needs of the queue, without loading the library.

The statement writes what pgqueuer's own enqueue writes, and our run_at with it; a test holds the two
together. Loading pgqueuer takes a quarter of a second, which only the worker has to pay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import SINGLE_STATEMENTS
from app.kernel.jobs.definition import Job, encode_arguments
from app.kernel.tracing.spans import CURRENT

# The database compares with its own now(): a second earlier is due within the same transaction, too. A job
# for later is parked until the application's clock has reached its run_at. On a key that waits, an earlier
# wish brings the job forward, but a failed job keeps the time of its next try: new wishes must not become a
# storm.
_ENQUEUE = """WITH added AS (
    INSERT INTO pgqueuer AS job
        (priority, entrypoint, payload, run_at, execute_after, dedupe_key, headers, status)
    VALUES ($1, $2, $3, $4::timestamptz,
        now() + CASE WHEN $4::timestamptz IS NULL THEN interval '-1 second' ELSE interval '36500 days' END,
        $5, $6::jsonb, 'queued')
    ON CONFLICT (dedupe_key)
        WHERE (status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status]))
            AND dedupe_key IS NOT NULL
    DO UPDATE SET priority = greatest(job.priority, excluded.priority),
        run_at = CASE WHEN job.status = 'queued' AND job.starts = 0 AND job.run_at IS NOT NULL
            AND (excluded.run_at IS NULL OR excluded.run_at < job.run_at)
            THEN excluded.run_at ELSE job.run_at END,
        execute_after = CASE WHEN job.status = 'queued' AND job.starts = 0 AND job.run_at IS NOT NULL
            AND excluded.run_at IS NULL THEN excluded.execute_after ELSE job.execute_after END
    RETURNING id, entrypoint, priority, xmax = 0 AS is_new
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM added WHERE is_new
)
SELECT id FROM added"""


async def connection_of(session: AsyncSession) -> asyncpg.Connection[Any]:
    """Return the asyncpg connection of the session, with the session's transaction begun on it.

    SQLAlchemy sends BEGIN (and the SAVEPOINT of a nested block) with its own first statement only; without
    one, what is sent here directly would be committed at once, which only a session of single statements wants.
    """
    connection = await session.connection()
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    if not raw.is_in_transaction() and SINGLE_STATEMENTS not in session.info:
        await session.execute(text("SELECT 1"))
    return raw


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that is wanted as soon as the transaction commits; the words are those of enqueue.

    behind: how far its priority lies below that of its kind: one of very many lets others' single ones pass.
    """

    merchant_id: UUID | None
    arguments: Mapping[str, object]
    key: str | None = None
    behind: int = 0


async def enqueue(
    session: AsyncSession,
    definition: Job,
    *,
    merchant_id: UUID | None,
    key: str | None = None,
    run_at: datetime | None = None,
    **arguments: object,
) -> int:
    """Queue a job in the caller's transaction and return its number.

    arguments: ids and moments only. key: at most one waiting job per key and merchant; a second call leaves
    the first one's place and time, or brings it forward. run_at: aware; None means as soon as the transaction
    commits.
    """
    raw = await connection_of(session)
    wish = Wish(merchant_id, arguments, key)
    job_id: int = await raw.fetchval(_ENQUEUE, *_values(definition, wish, run_at=run_at))
    return job_id


async def enqueue_all(session: AsyncSession, definition: Job, wishes: Iterable[Wish]) -> None:
    """Queue a job for each, as enqueue would, in the order given and without waiting for one after the other."""
    raw = await connection_of(session)
    await raw.executemany(_ENQUEUE, [_values(definition, wish, run_at=None) for wish in wishes])


def _values(definition: Job, wish: Wish, *, run_at: datetime | None) -> tuple[Any, ...]:
    definition.check_arguments(wish.arguments)
    merchant = str(wish.merchant_id or "")
    full_key = None if wish.key is None else f"{definition.name}:{merchant}:{wish.key}"
    headers = {name: value for name, value in (("merchant_id", merchant), ("key", full_key)) if value}
    span = CURRENT.get()
    if span is not None:
        headers["traceparent"] = span.traceparent
    encoded = encode_arguments(wish.arguments)
    priority = definition.priority - wish.behind
    return priority, definition.name, encoded, run_at, full_key, json.dumps(headers)
