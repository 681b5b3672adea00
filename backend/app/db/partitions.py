"""Monthly partitions of the event tables, by the time inside the UUIDv7 id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.utils.id_generator import id_floor

PARTITIONED = ("visit", "stamp_event", "points_event")
MONTHS_BACK = 14
MONTHS_AHEAD = 14
_MONTH = re.compile(r"^(?P<table>\w+)_(?P<year>\d{4})_(?P<month>\d\d)$")


def month_start(at: datetime, *, months: int) -> datetime:
    """Return the first moment of the month that lies so many months after (or before) the moment's own."""
    index = at.year * 12 + at.month - 1 + months
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


async def ensure_partitions(connection: AsyncConnection, now: datetime) -> int:
    """Create the missing monthly partitions around a moment, and the default one; return how many were made.

    Needs the owner's login. Ids outside all months land in the default partition and stay readable.
    """
    months = [month_start(now, months=months) for months in range(-MONTHS_BACK, MONTHS_AHEAD + 1)]
    return await _ensure(connection, [(table, start) for table in PARTITIONED for start in months])


async def ensure_named_partitions(connection: AsyncConnection, names: Sequence[str]) -> int:
    """Create the partitions that another database has, so that its rows find their month."""
    wanted = []
    for name in names:
        parts = _MONTH.match(name)
        if parts and parts["table"] in PARTITIONED:
            wanted.append((parts["table"], datetime(int(parts["year"]), int(parts["month"]), 1, tzinfo=UTC)))
    return await _ensure(connection, wanted)


async def _ensure(connection: AsyncConnection, wanted: Sequence[tuple[str, datetime]]) -> int:
    query = text("SELECT relname FROM pg_class WHERE relkind = 'r'")
    existing = set((await connection.execute(query)).scalars())
    statements = [
        f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT"
        for table in PARTITIONED
        if f"{table}_default" not in existing
    ]
    for table, start in wanted:
        name, end = f"{table}_{start:%Y_%m}", month_start(start, months=1)
        if name not in existing:
            statements.append(
                f"CREATE TABLE {name} PARTITION OF {table}"
                f" FOR VALUES FROM ('{id_floor(start)}') TO ('{id_floor(end)}')"
            )
    for statement in statements:
        await connection.execute(text(statement))
    return len(statements)
