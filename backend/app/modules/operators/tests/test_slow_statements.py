"""The list of what takes the database most time, against a stand-in of pg_stat_statements with its columns.

The embedded PostgreSQL has no extensions; the real one was asked by hand (PostgreSQL 15).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.config import Settings
from app.db.session import Database, system_scope
from app.modules.operators.looking.machine import SLOW_LISTED_MAX, SLOW_TEXT_LENGTH, list_slow, read_database
from tests.fixtures import cloned_database, database_urls

_STAND_IN = """CREATE TABLE pg_stat_statements (userid oid, dbid oid, toplevel bool, queryid bigint, query text,
    plans bigint, calls bigint, total_exec_time float8, mean_exec_time float8);
INSERT INTO pg_stat_statements (dbid, query, calls, total_exec_time, mean_exec_time)
SELECT own.oid, query, calls, total, total / calls FROM pg_database AS own, (VALUES
    (E'  SELECT *\\n\\tFROM store WHERE id = $1', 4, 1000.0),
    ('with a AS (SELECT 1) INSERT INTO visit SELECT $1', 10, 3000.0),
    ('UPDATE card SET note = ''guest@example.com''', 1, 2000.0),
    ('DELETE FROM rate_limit WHERE ends_at < $1', 1, 5.0),
    ('COPY customer TO STDOUT', 1, 90000.0),
    ('SET password = ''x''', 1, 90000.0),
    ('selection', 1, 90000.0),
    ('SELECT ' || repeat('column, ', 100), 1, 4.0)) AS given (query, calls, total)
WHERE own.datname = current_database();
INSERT INTO pg_stat_statements (dbid, query, calls, total_exec_time, mean_exec_time)
    VALUES (1, 'SELECT elsewhere', 1, 90000, 90000);
GRANT SELECT ON pg_stat_statements TO stempel_system"""
_MANY = """INSERT INTO pg_stat_statements (dbid, query, calls, total_exec_time, mean_exec_time)
SELECT oid, 'SELECT ' || number, 1, number, number FROM pg_database, generate_series(1, 40) AS number
WHERE datname = current_database()"""


@pytest.fixture(scope="module")
def own_database(worker_id: str) -> Iterator[str]:
    """Return the name of a database of its own: another one must not find the stand-in."""
    with cloned_database(f"stempel_slow_{worker_id}_{os.getpid()}") as name:
        yield name


@pytest_asyncio.fixture(loop_scope="session")
async def own(own_database: str, settings: Settings) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """Return the database and its owner's connection."""
    urls = database_urls(own_database)
    database = Database(settings.model_copy(update=urls))
    owner = await asyncpg.connect(urls["database_admin_url"])
    try:
        yield database, owner
    finally:
        await owner.execute("REVOKE pg_read_all_stats FROM stempel_system")
        await owner.close()
        await database.aclose()


async def test_the_slowest_statements_come_first_and_quote_nobody(
    own: tuple[Database, asyncpg.Connection],
) -> None:
    """Only reading and writing of this database, most time first, in one line, cut short, without an address.

    Without the extension, without the right to it, and without the right to see other logins': None, and the
    transaction goes on.
    """
    database, owner = own
    async with system_scope(database) as session:
        absent = await list_slow(session)
        assert not (await read_database(session)).has_statements
    await owner.execute(_STAND_IN)
    async with system_scope(database) as session:
        own_only = await list_slow(session)
        assert (await read_database(session)).has_statements
    await owner.execute("GRANT pg_read_all_stats TO stempel_system")
    async with system_scope(database) as session:
        found = await list_slow(session)
    await owner.execute(_MANY)
    async with system_scope(database) as session:
        many = await list_slow(session)
    await owner.execute("REVOKE SELECT ON pg_stat_statements FROM stempel_system")
    async with system_scope(database) as session:
        forbidden = await list_slow(session)
        goes_on = await session.scalar(text("SELECT 1"))

    assert (absent, own_only, forbidden, goes_on) == (None, None, None, 1)
    assert found is not None
    assert many is not None
    assert len(many) == SLOW_LISTED_MAX
    assert [(one.query[:40], one.calls, one.mean_ms, one.total_ms) for one in found] == [
        ("with a AS (SELECT 1) INSERT INTO visit S", 10, 300.0, 3000.0),
        ("UPDATE card SET note = '[address]'", 1, 2000.0, 2000.0),
        ("SELECT * FROM store WHERE id = $1", 4, 250.0, 1000.0),
        ("DELETE FROM rate_limit WHERE ends_at < $", 1, 5.0, 5.0),
        ("SELECT column, column, column, column, c", 1, 4.0, 4.0),
    ]
    assert len(found[-1].query) == SLOW_TEXT_LENGTH + 1
