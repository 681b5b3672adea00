"""Periodic work: each turn is claimed by one UPDATE, so that any number of schedulers is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs.definition import JobContext, Periodic
from app.kernel.jobs.enqueue import connection_of

JOB_LOG_KEPT = timedelta(days=7)
PRUNE_BATCH = 5_000
PRUNE_BATCHES_MAX = 200

_KNOW = """INSERT INTO job_schedule (name, next_run_at)
    SELECT name, $2 FROM unnest($1::text[]) AS given (name) ON CONFLICT DO NOTHING"""
# A turn that was taken in the future says that the clock was put back (a demo, a repaired machine): due as well,
# or the work would rest until that time comes again. The slack leaves room for two machines' clocks.
_IS_DUE = "(next_run_at <= $2 OR last_run_at > $2 + interval '5 minutes')"
_DUE = f"SELECT name FROM job_schedule WHERE name = ANY($1::text[]) AND {_IS_DUE} ORDER BY name"
# The condition is asked again under the row's lock: the second of two schedulers finds the time moved on.
# The next turn is counted from now in whole periods: after an outage, one turn and not all the missed ones.
_CLAIM = f"""UPDATE job_schedule SET last_run_at = $2, next_run_at =
        next_run_at + $3::interval * (floor(extract(epoch FROM $2 - next_run_at) / extract(epoch FROM
        $3::interval)) + 1)
    WHERE name = $1 AND {_IS_DUE} RETURNING name"""


async def claim_due(session: AsyncSession, periodic: Sequence[Periodic], *, now: datetime) -> list[Periodic]:
    """Return the periodic work whose turn this caller has claimed in its transaction."""
    raw = await connection_of(session)
    by_name = {work.name: work for work in periodic}
    assert len(by_name) == len(periodic), "two kinds of periodic work share a name"
    due = [row["name"] for row in await raw.fetch(_DUE, list(by_name), now)]
    if not due:
        # New work is due at once; asking first keeps the usual second without a write.
        await raw.execute(_KNOW, list(by_name), now)
        due = [row["name"] for row in await raw.fetch(_DUE, list(by_name), now)]
    claimed: list[Periodic] = []
    for name in due:
        if await raw.fetchrow(_CLAIM, name, now, by_name[name].every):
            claimed.append(by_name[name])
    return claimed


async def _prune(context: JobContext) -> None:
    for _batch in range(PRUNE_BATCHES_MAX):
        async with context.session() as session:
            raw = await connection_of(session)
            result = await raw.execute(
                "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log"
                " WHERE created < now() - $1::interval LIMIT $2)",
                JOB_LOG_KEPT,
                PRUNE_BATCH,
            )
        if result == "DELETE 0":
            return


prune_job_log = Periodic("kernel.prune_job_log", every=timedelta(hours=6), run=_prune)
