"""Our text of the queue's tables against what the installed pgqueuer would make itself."""

from __future__ import annotations

import os

from pgqueuer.adapters.persistence.schema_ddl import render_install
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import to_async_url
from app.kernel.jobs import QUEUE_TABLES
from app.kernel.jobs.queue import _names

OUR_COLUMNS = {"starts", "run_at", "first_started_at", "reason"}
OUR_INDEXES = {"pgqueuer_run_at_idx", "pgqueuer_failed_idx"}
LIBRARY_TABLES = [name for name in QUEUE_TABLES if name.startswith("pgqueuer")]

COLUMNS = text("""SELECT table_name, column_name, udt_name, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = :schema AND table_name = ANY(:tables)""")
INDEXES = text("""SELECT indexname, replace(indexdef, :schema || '.', '') AS definition
    FROM pg_indexes WHERE schemaname = :schema AND tablename = ANY(:tables)""")


async def shape(connection, schema):
    columns = {
        tuple(str(value).replace(f"{schema}.", "") for value in row)
        for row in await connection.execute(COLUMNS, {"schema": schema, "tables": LIBRARY_TABLES})
        if row.column_name not in OUR_COLUMNS
    }
    indexes = {
        tuple(str(value).replace(f"{schema}.", "") for value in row)
        for row in await connection.execute(INDEXES, {"schema": schema, "tables": LIBRARY_TABLES})
        if row.indexname not in OUR_INDEXES
    }
    return columns, indexes


async def test_the_migrated_queue_is_pgqueuers_own(admin_url):
    """Same columns, defaults and indexes, apart from what we add; a changed release is noticed here."""
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await connection.execute(text("CREATE SCHEMA pgqueuer_plain"))
        await connection.execute(text("SET LOCAL search_path TO pgqueuer_plain"))
        raw = (await connection.get_raw_connection()).driver_connection
        await raw.execute(render_install(_names()))
        theirs = await shape(connection, "pgqueuer_plain")
        await connection.execute(text("SET LOCAL search_path TO public"))
        ours = await shape(connection, "public")
        triggers = await connection.scalar(
            text("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'pgqueuer'::regclass AND NOT tgisinternal")
        )
        await transaction.rollback()
    await engine.dispose()

    assert len(theirs[0]) > 30, os.linesep.join(map(str, theirs[0]))
    assert ours == theirs
    assert triggers == 0
