"""Filling a database of the moment quickly: as its owner, no key checked row by row, indexes made at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.db.partitions import MONTHS_BACK, ensure_partitions, month_start
from app.db.session import to_async_url

_INDEXES = text(
    """SELECT pg_index.indexrelid::regclass::text AS name, pg_get_indexdef(pg_index.indexrelid) AS made
    FROM pg_index WHERE pg_index.indrelid = CAST(CAST(:place AS text) AS regclass) AND NOT EXISTS (
        SELECT 1 FROM pg_constraint WHERE pg_constraint.conindid = pg_index.indexrelid)"""
)


@asynccontextmanager
async def quick_owner(admin_url: str) -> AsyncIterator[AsyncConnection]:
    """Yield the owner's connection, on which foreign keys are believed and each statement is its own transaction."""
    engine = create_async_engine(to_async_url(admin_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("SET session_replication_role = replica"))
        await connection.execute(text("SET maintenance_work_mem = '512MB'"))
        await connection.execute(text("SET work_mem = '256MB'"))
        yield connection
    await engine.dispose()


@asynccontextmanager
async def without_indexes(connection: AsyncConnection, *tables: str) -> AsyncIterator[None]:
    """Take the indexes off that no constraint needs, and make them again over what was filled in."""
    found = [row for table in tables for row in await connection.execute(_INDEXES, {"place": table})]
    for row in found:
        await connection.execute(text(f"DROP INDEX {row.name}"))
    yield
    for row in found:
        # Of a partitioned table the text says ONLY: made so, its months would have none.
        await connection.execute(text(row.made.replace(" ON ONLY ", " ON ")))


async def make_months(connection: AsyncConnection, first: datetime, last: datetime) -> None:
    """Make the monthly partitions between two moments, as years of use leave them."""
    at = month_start(first, months=MONTHS_BACK)
    while at < last:
        await ensure_partitions(connection, at)
        at = month_start(at, months=MONTHS_BACK)
    await ensure_partitions(connection, last)
