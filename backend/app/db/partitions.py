"""Monthly partitions of the event tables, by the time inside the UUIDv7 id."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.utils.id_generator import id_floor

PARTITIONED = ("visit", "stamp_event", "points_event")
MONTHS_BACK = 14
MONTHS_AHEAD = 14


def month_start(at: datetime, *, months: int) -> datetime:
    """Return the first moment of the month that lies so many months after (or before) the moment's own."""
    index = at.year * 12 + at.month - 1 + months
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


async def ensure_partitions(connection: AsyncConnection, now: datetime) -> int:
    """Create the missing monthly partitions around a moment, and the default one; return how many were made.

    Needs the owner's login. Ids outside all months land in the default partition and stay readable.
    """
    made = 0
    existing = set(
        (await connection.execute(text("SELECT relname FROM pg_class WHERE relkind = 'r'"))).scalars()
    )
    for table in PARTITIONED:
        if f"{table}_default" not in existing:
            await connection.execute(text(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT"))
            made += 1
        for months in range(-MONTHS_BACK, MONTHS_AHEAD + 1):
            start = month_start(now, months=months)
            name = f"{table}_{start:%Y_%m}"
            if name in existing:
                continue
            end = month_start(start, months=1)
            await connection.execute(
                text(
                    f"CREATE TABLE {name} PARTITION OF {table}"
                    f" FOR VALUES FROM ('{id_floor(start)}') TO ('{id_floor(end)}')"
                )
            )
            made += 1
    return made
