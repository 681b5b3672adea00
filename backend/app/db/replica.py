"""Reads that may come from a replica: figures and exports. Never older than the settings allow, never refused.

Whether the replica is behind is not its own word: one that has lost its primary believes that it has everything. The
primary's place in the log is noted with the time; the replica must have passed where the primary was that long ago.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.db.session import Database, set_tenant, tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.observability import get_logger

# After a failure the primary answers for so long before the replica is asked again.
DOWN_SECONDS = 10.0
# What is known of the primary's log is asked anew after so long.
SAMPLE_SECONDS = 0.5
SAMPLES_MAX = 512

READS = Counter(
    "stempel_replica_reads_total", "Reads that may use the replica, by where they went.", ["place"]
)
log = get_logger("stempel.replica")

_PRIMARY = text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
_REPLICA = text(
    "SELECT pg_is_in_recovery() AS follows, (pg_last_wal_replay_lsn() - '0/0'::pg_lsn) AS place,"
    " rolsuper OR rolbypassrls AS mighty FROM pg_roles WHERE rolname = current_user"
)
Answer = TypeVar("Answer")
_FAILURES = (OSError, TimeoutError, SQLAlchemyError)


class Lag:
    """Where the primary's log was, and when: tells whether a place in it is fresh enough."""

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def needs_sample(self, now: float) -> bool:
        """Tell whether the last sample is old. now: monotonic seconds."""
        return not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS

    def add(self, now: float, place: int) -> None:
        """Note where the primary was; what is older than needed goes, but for the newest of it."""
        self._samples.append((now, place))
        while len(self._samples) > 1 and now - self._samples[1][0] >= self._seconds_max:
            self._samples.popleft()

    def allows(self, place: int) -> bool:
        """Tell whether a replica at this place is behind by no more than allowed.

        It must have passed the newest sample that is old enough; before there is one, the oldest there is.
        """
        return bool(self._samples) and place >= self._samples[0][1]


class Replica:
    """The connections to the replica, and whether it may be asked."""

    def __init__(self, engine: AsyncEngine, *, lag_seconds_max: float) -> None:
        self.engine = engine
        self.sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
        self._lag = Lag(lag_seconds_max)
        self._down_until = 0.0

    def failed(self, error: BaseException) -> None:
        """Let the primary answer for a while."""
        self._down_until = time.monotonic() + DOWN_SECONDS
        log.warning("replica_failed", reason=type(error).__name__)

    @asynccontextmanager
    async def scope(self, merchant_id: UUID) -> AsyncIterator[AsyncSession]:
        """Open a transaction on the replica, bound to the merchant as on the primary."""
        READS.labels("replica").inc()
        try:
            async with self.sessions() as session:
                await set_tenant(session, merchant_id)
                yield session
        except _FAILURES as error:
            self.failed(error)
            raise

    async def is_usable(self, primary: AsyncSession) -> bool:
        """Tell whether the replica is there, follows, is not behind, and binds its user to the tenant.

        primary: any session there; a request has one already, and must not wait for a second of the same pool.
        """
        now = time.monotonic()
        if now < self._down_until:
            return False
        if self._lag.needs_sample(now):
            self._lag.add(time.monotonic(), int(await primary.scalar(_PRIMARY) or 0))
        try:
            async with self.engine.connect() as connection:
                row = (await connection.execute(_REPLICA)).one()
        except _FAILURES as error:
            self.failed(error)
            return False
        if not row.follows or row.mighty:
            log.error("replica_refused", follows=row.follows, passes_row_level_security=row.mighty)
            self._down_until = time.monotonic() + DOWN_SECONDS
            return False
        return self._lag.allows(int(row.place))


def add_replica(database: Database) -> None:
    """Open the replica of the settings beside the database, where one is named; nothing is connected yet."""
    settings = database.settings
    if settings.database_replica_url:
        engine = database.make_engine(settings.database_replica_url, max(2, settings.database_pool_size // 3))
        database.replica = Replica(engine, lag_seconds_max=settings.database_replica_lag_seconds)


@asynccontextmanager
async def reading_scope(database: Database, merchant_id: UUID) -> AsyncIterator[AsyncSession]:
    """Open a transaction that reads one merchant's rows, from the replica where it is usable; for jobs.

    What fails in it keeps the replica out for a while.
    """
    replica = database.replica
    if replica is not None:
        async with tenant_scope(database, merchant_id) as primary:
            is_usable = await replica.is_usable(primary)
        if is_usable:
            async with replica.scope(merchant_id) as session:
                yield session
            return
    async with tenant_scope(database, merchant_id) as session:
        yield session


async def read_with(
    primary: AsyncSession, merchant_id: UUID, read: Callable[[AsyncSession], Awaitable[Answer]]
) -> Answer:
    """Run a reading function on the replica, or on the request's own session where that is not usable or fails."""
    replica = resources_of(primary).get(Database).replica
    if replica is not None and await replica.is_usable(primary):
        try:
            async with replica.scope(merchant_id) as session:
                session.info["resources"] = resources_of(primary)
                return await read(session)
        except _FAILURES:
            pass  # noted in the scope; the primary answers
    READS.labels("primary").inc()
    return await read(primary)
