"""The rows that count requests are swept."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import text

from app.kernel.jobs import JobContext
from app.kernel.web.limit_rows import prune_limits
from app.process import Process

COUNT = "SELECT count(*) FROM rate_limit WHERE key = :key"


async def test_old_counts_are_swept_and_new_ones_stay(process: Process) -> None:
    """A window of last year goes, the one of now does not."""
    key = str(uuid4())
    add = "INSERT INTO rate_limit (name, key, window_start, hits) VALUES ('x', :key, now() - CAST(:ago AS interval), 1)"
    async with process.database.sessions() as session, session.begin():
        for days in (0, 365):
            await session.execute(text(add.replace(":ago", f"'{days} days'")), {"key": key})
    context = JobContext(
        database=process.database,
        settings=process.settings,
        clock=process.clock,
        registry=process.registry,
        resources=process.resources,
        merchant_id=None,
        attempt=1,
    )

    await prune_limits.run(context)

    async with process.database.sessions() as session, session.begin():
        assert await session.scalar(text(COUNT), {"key": key}) == 1
