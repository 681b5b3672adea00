"""Brings a database up to date with the owner's login, while others work on it: roles, schema, partitions.

A change of a table waits for whoever uses the table, and everybody else waits behind it. So no step waits longer
than LOCK_WAIT: it gives way, everybody passes, and it tries again (docs/how-to/write-a-migration.md).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.db.partitions import ensure_partitions
from app.db.rights import APP_ROLE, SYSTEM_ROLE
from app.db.session import to_async_url
from app.kernel.clock import SystemClock

MIGRATIONS = Path(__file__).parent / "migrations"

# Limits and habits of the runtime roles, kept at the role so that they also hold behind PgBouncer.
ROLE_SETTINGS = {
    "lock_timeout": "3s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
    # Our statements look up by key: one plan serves all values, and planning each time cost more than running.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
MIGRATION_LOCK = 7_316_104_529
# A stamp may wait three seconds for a lock (above); a migration keeps it waiting for half of that at most.
LOCK_WAIT_MILLISECONDS = 1_500
TRIES_MAX = 40
PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX = 0.25, 8.0
# For another migrator, or for a backup, which reads all tables in one snapshot.
TURN_SECONDS_MAX = 600.0
TURN_POLL_SECONDS = 0.2
# lock_not_available, deadlock_detected: the moment was bad, the migration is not.
PASSING = frozenset({"55P03", "40P01"})
QUERY_CANCELED = "57014"
# Of the time after which whoever waits is checked for a deadlock (deadlock_timeout, one second unless it was changed).
TAKING_SHARE = 0.8


class TablesInUse(Exception):
    """The tables of a migration were not to be had together."""


class MigrationBusy(Exception):
    """The schema could not be changed because others would not let go; nothing is half done."""


def alembic_config(scripts: Path = MIGRATIONS) -> Config:
    """Return Alembic's configuration; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return config


def head_revision(scripts: Path = MIGRATIONS) -> str:
    """Return the newest revision the code knows."""
    head = ScriptDirectory.from_config(alembic_config(scripts)).get_current_head()
    assert head is not None
    return head


def upgrade(admin_url: str, *, app_password: str, system_password: str) -> None:
    """Create the roles and bring the schema to the newest revision; safe to run twice and at once."""
    asyncio.run(upgrade_async(admin_url, app_password=app_password, system_password=system_password))


async def upgrade_async(
    admin_url: str, *, app_password: str, system_password: str, scripts: Path = MIGRATIONS
) -> list[str]:
    """Do what upgrade does, for callers that have an event loop already; returns the revisions that were run.

    Raises MigrationBusy where a lock was not to be had, or another migrator did not end.
    """
    passwords = {APP_ROLE: app_password, SYSTEM_ROLE: system_password}
    engine = _owner_engine(admin_url)
    try:
        async with migration_turn(engine):
            await _patiently(engine, lambda connection: ensure_roles(connection, passwords))
            done = await _run_pending(engine, scripts)
            await _patiently(engine, lambda connection: ensure_partitions(connection, SystemClock().now()))
            return done
    finally:
        await engine.dispose()


def _owner_engine(admin_url: str) -> AsyncEngine:
    limits = {"lock_timeout": str(LOCK_WAIT_MILLISECONDS), "application_name": "stempel migrate"}
    return create_async_engine(to_async_url(admin_url), connect_args={"server_settings": limits})


@asynccontextmanager
async def migration_turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the lock that lets one migrator work at a time; raises MigrationBusy when another does not end."""
    async with engine.connect() as guard:
        await wait_for_turn(guard, f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")
        try:
            yield
        finally:
            await guard.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
            await guard.commit()


async def wait_for_turn(connection: AsyncConnection, question: str) -> None:
    """Ask until the lock is ours; asked again and again, because waiting in the server would hold a snapshot."""
    try:
        async with asyncio.timeout(TURN_SECONDS_MAX):
            while not await connection.scalar(text(question)):
                await connection.commit()
                await asyncio.sleep(TURN_POLL_SECONDS)
    except TimeoutError:
        raise MigrationBusy(
            f"Another migration or a backup has been under way for {TURN_SECONDS_MAX:.0f} seconds; try again later."
        ) from None
    await connection.commit()


async def _run_pending(engine: AsyncEngine, scripts: Path) -> list[str]:
    """Run what is missing, a revision after the other, each in a transaction of its own."""
    async with engine.connect() as connection:
        at = await connection.run_sync(current_revision)
    script = ScriptDirectory.from_config(alembic_config(scripts))
    known = {revision.revision for revision in script.walk_revisions()}
    if at is not None and at not in known:
        return []  # a newer release was here: its schema serves this one, too
    missing = list(reversed(list(script.iterate_revisions("head", at or "base"))))
    for revision in missing:
        await _patiently(engine, partial(_run_revision, revision=revision, scripts=scripts))
    return [revision.revision for revision in missing]


async def _run_revision(connection: AsyncConnection, *, revision: Script, scripts: Path) -> None:
    await _take_tables(connection, getattr(revision.module, "changes", ()))
    await connection.run_sync(run_alembic, revision.revision, scripts=scripts)


async def _take_tables(connection: AsyncConnection, tables: Sequence[str]) -> None:
    """Lock all that a migration changes; raises TablesInUse before a request could be cancelled for it."""
    if not tables:
        return
    query = text("SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout'")
    milliseconds = min(LOCK_WAIT_MILLISECONDS, int(TAKING_SHARE * (await connection.scalar(query))))
    await connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
    try:
        await connection.execute(text(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
            raise TablesInUse(*tables) from None
        raise
    await connection.execute(text("SET LOCAL statement_timeout = DEFAULT"))


async def _patiently(engine: AsyncEngine, step: Callable[[AsyncConnection], Awaitable[object]]) -> None:
    """Run a step in a transaction; undone by a lock that it could not have, it is run again after a pause."""
    for attempt in range(TRIES_MAX):
        try:
            async with engine.begin() as connection:
                await step(connection)
            return
        except TablesInUse:
            pass
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in PASSING:
                raise
        pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2**attempt)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (a pause, no secret)
    raise MigrationBusy(
        f"A table was in use all the time: {TRIES_MAX} tries of {LOCK_WAIT_MILLISECONDS} ms found no gap. Nothing is "
        "half done. End what holds it (a long query, an open psql: pg_stat_activity shows it), then migrate again."
    )


def current_revision(connection: Connection) -> str | None:
    """Return the revision a database is at, or None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def run_alembic(connection: Connection, revision: str = "head", *, scripts: Path = MIGRATIONS) -> None:
    """Bring the schema to a revision, within the connection's transaction."""
    config = alembic_config(scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def ensure_roles(connection: AsyncConnection, passwords: dict[str, str]) -> None:
    """Make the two runtime roles, or give them their passwords and limits again."""
    for role, password in passwords.items():
        known = (
            await connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role})
        ).first()
        if known is None:
            await connection.execute(
                text(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
            )
        if password:
            quoted = password.replace("'", "''")
            await connection.execute(text(f"ALTER ROLE {role} PASSWORD '{quoted}'".replace(":", "\\:")))
        for name, value in ROLE_SETTINGS.items():
            await connection.execute(text(f"ALTER ROLE {role} SET {name} = '{value}'"))
