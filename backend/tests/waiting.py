"""Waiting for one another in tests, with an end: a guest who never comes fails the test instead of holding it up."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from app.db.session import Database

WAIT_SECONDS_MAX = 60.0


class Meeting(asyncio.Barrier):
    """A barrier whose wait ends with TimeoutError when the others do not come."""

    async def wait(self) -> int:
        """Wait for the others; returns the place of arrival, from 0."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await super().wait()


class Signal(asyncio.Event):
    """An event whose wait ends with TimeoutError when nobody sets it."""

    async def wait(self) -> bool:
        """Wait until somebody sets it."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await super().wait()


async def somebody_waits(database: Database) -> None:
    """Return once a transaction of this database stands at a lock that another holds."""
    async with asyncio.timeout(WAIT_SECONDS_MAX), database.sessions() as session:
        # pg_locks would also show what waits in the databases of tests that run beside this one.
        while not await session.scalar(_WAITING):
            await session.rollback()  # what is seen of other sessions stays the same within a transaction
            await asyncio.sleep(0.01)


_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
