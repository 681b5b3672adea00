"""Engines and sessions: one for the tenant-bound runtime role, one for the few cross-tenant reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.config import Settings
from app.db.direct import DirectConnections
from app.db.limits import write_limits_out
from app.kernel.errors import NotFound
from app.kernel.observability import POOL

if TYPE_CHECKING:
    from app.db.replica import Replica

CONNECT_TIMEOUT_SECONDS = 5
POOL_WAIT_SECONDS = 5
COMMAND_TIMEOUT_SECONDS = 20

# In a session's info: each statement is a transaction of its own.
SINGLE_STATEMENTS = "single_statements"

# With the habit of the other hot path (direct.BY_INDEX), for this transaction only.
_BEGIN_BOUND = (
    "BEGIN; SELECT set_config('stempel.merchant_id', '{}', true), set_config('enable_seqscan', 'off', true)"
)
_SET_TENANT = text("SELECT set_config('stempel.merchant_id', :merchant_id, true)")


class UnsafeDatabase(Exception):
    """The database is not set up so that an acknowledged stamp is kept; said at start."""


def to_async_url(url: str) -> str:
    """Return the SQLAlchemy address for a plain postgresql:// one."""
    parts = urlsplit(url)
    scheme = "postgresql+asyncpg" if parts.scheme in {"postgres", "postgresql"} else parts.scheme
    # asyncpg knows ssl, not libpq's sslmode.
    query = [("ssl" if key == "sslmode" else key, value) for key, value in parse_qsl(parts.query)]
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode(query), parts.fragment))


class PlainSession(AsyncSession):
    """A session that begins its transaction and binds it to a tenant in one round trip, for the hot path.

    The connection is in autocommit as far as SQLAlchemy knows; BEGIN, COMMIT and ROLLBACK are sent here. Nothing else
    differs: hooks read and write through it as through any session.
    """

    driver: Any = None  # the asyncpg connection, while a transaction is open

    async def begin_bound(self, merchant_id: UUID) -> None:
        """Begin a transaction that sees this merchant's rows."""
        pooled = await (await self.connection()).get_raw_connection()
        self.driver = pooled.driver_connection
        assert not self.driver.is_in_transaction(), "the last transaction was not ended"
        await self.driver.execute(_BEGIN_BOUND.format(merchant_id))

    async def commit(self) -> None:
        """Write what is left and end the transaction; raises where the database rolled it back instead."""
        if self.new or self.dirty or self.deleted:
            await self.flush()
        if self.driver is not None and await self.driver.execute("COMMIT") != "COMMIT":
            raise RolledBack("a statement of this transaction had failed")
        self.driver = None
        await super().commit()

    async def rollback(self) -> None:
        """Undo the transaction."""
        driver, self.driver = self.driver, None
        if driver is not None and driver.is_in_transaction():
            await driver.execute("ROLLBACK")
        await super().rollback()

    async def close(self) -> None:
        """Give the connection back; one that cannot be rolled back is thrown away."""
        if self.driver is not None:
            try:
                await self.rollback()
            except Exception:  # noqa: BLE001 (whatever ails it, nobody else may get it)
                await self.invalidate()
        if self.in_transaction():
            await super().close()
        else:
            self.expunge_all()


async def driver_of(session: AsyncSession) -> Any:
    """Return the asyncpg connection of the session's transaction; the tenant must be bound already."""
    assert "merchant_id" in session.info, "bind the tenant first: it also begins the transaction"
    if isinstance(session, PlainSession):
        return session.driver
    pooled = await (await session.connection()).get_raw_connection()
    return pooled.driver_connection


class RolledBack(Exception):
    """The commit was asked for, and the transaction is gone."""


class Database:
    """The two engines of a process. `sessions` is bound to a tenant per transaction, `system_sessions` is not."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.replica: Replica | None = None
        self.engine = self.make_engine(settings.database_url, settings.database_pool_size)
        self.system_engine = self.make_engine(
            settings.database_system_url or settings.database_url, max(2, settings.database_pool_size // 3)
        )
        self.direct = None if settings.database_pgbouncer else DirectConnections(settings)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self.plain_sessions = async_sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"),
            class_=PlainSession,
            expire_on_commit=False,
            autoflush=False,
        )
        self.system_sessions = async_sessionmaker(self.system_engine, expire_on_commit=False, autoflush=False)
        self.system_single_sessions = async_sessionmaker(
            self.system_engine.execution_options(isolation_level="AUTOCOMMIT"), info={SINGLE_STATEMENTS: True}
        )

    def make_engine(self, url: str, size: int) -> AsyncEngine:
        """Return a pool of so many connections with the limits and habits of all of ours."""
        connect: dict[str, Any] = {
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": "stempel"},
        }
        if self.settings.database_pgbouncer:
            # In transaction mode the next statement may meet another server connection.
            connect |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
            connect["prepared_statement_name_func"] = lambda: ""
        engine = create_async_engine(
            to_async_url(url),
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            connect_args=connect,
            hide_parameters=True,  # a failing statement must not carry a name or an address into the logs
        )
        write_limits_out(engine)
        # The login's name without its password: the label of the figure.
        _count_use(engine, login=make_url(url).username or "")
        return engine

    async def check_safe(self) -> None:
        """Refuse a database that may lose what it acknowledged, or that gives the runtime role too much.

        Raises UnsafeDatabase with one sentence.
        """
        async with self.engine.connect() as connection:
            row = (await connection.execute(text(_SAFETY_QUERY))).one()
        if row.is_super or row.bypasses:
            raise UnsafeDatabase(
                "STEMPEL_DATABASE_URL signs in as a superuser; row-level security would not hold."
            )
        if not self.settings.database_allow_async_commit:
            for name in ("synchronous_commit", "fsync", "full_page_writes"):
                if getattr(row, name) == "off":
                    raise UnsafeDatabase(
                        f"PostgreSQL runs with {name}=off; an acknowledged stamp could be lost."
                    )

    async def aclose(self) -> None:
        """Close all connections."""
        if self.direct is not None:
            await self.direct.aclose()
        await self.engine.dispose()
        await self.system_engine.dispose()
        if self.replica is not None:
            await self.replica.engine.dispose()


def _count_use(engine: AsyncEngine, *, login: str) -> None:
    """Keep the figure of connections in use, for /metrics."""
    in_use = POOL.labels(login)
    event.listen(engine.sync_engine, "checkout", lambda *_given: in_use.inc())
    event.listen(engine.sync_engine, "checkin", lambda *_given: in_use.dec())


_SAFETY_QUERY = """
SELECT rolsuper AS is_super, rolbypassrls AS bypasses,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes
FROM pg_roles WHERE rolname = current_user
"""


async def set_tenant(session: AsyncSession, merchant_id: UUID) -> None:
    """Bind the session's transaction to one merchant.

    Raises NotFound where it is bound to another one: a credential of one merchant and an id of another, which
    gets the same answer as an unknown id.
    """
    bound = session.info.get("merchant_id")
    if bound == merchant_id:
        return
    if bound is not None:
        raise NotFound("tenant")
    if isinstance(session, PlainSession):
        await session.begin_bound(merchant_id)
    else:
        await session.execute(_SET_TENANT, {"merchant_id": str(merchant_id)})
    session.info["merchant_id"] = merchant_id


@asynccontextmanager
async def tenant_scope(database: Database, merchant_id: UUID) -> AsyncIterator[AsyncSession]:
    """Open a transaction that sees one merchant's rows; commits at the end, rolls back on an exception."""
    async with database.sessions() as session:
        await set_tenant(session, merchant_id)
        yield session
        await session.commit()


@asynccontextmanager
async def let_go(session: AsyncSession) -> AsyncIterator[None]:
    """Give the connection back while something slow is done, or something that needs a connection of its own.

    A request that held one and waited for another would, with a small pool, wait for requests like itself. Only
    before anything is written: the transaction ends here, locks are gone, and a new one is bound afterwards.
    """
    written = [*session.new, *session.dirty, *session.deleted]
    assert not written, "nothing may be written before letting go"
    merchant_id = session.info.pop("merchant_id")
    await session.commit()
    try:
        yield
    finally:
        await set_tenant(session, merchant_id)


@asynccontextmanager
async def system_scope(database: Database) -> AsyncIterator[AsyncSession]:
    """Open a transaction of the system role: only the tables with a policy for it, listed in a test."""
    async with database.system_sessions() as session, session.begin():
        yield session


@asynccontextmanager
async def system_statements(database: Database) -> AsyncIterator[AsyncSession]:
    """Give the system role a session whose statements each commit by themselves.

    For the queue, which asks for one statement at a time, several a job: it saves the round trips of BEGIN and COMMIT.
    """
    async with database.system_single_sessions() as session:
        yield session
