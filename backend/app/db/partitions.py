"""Monthly partitions of the event tables, by the time inside the UUIDv7 id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.rights import SYSTEM_ROLE
from app.utils.id_generator import id_floor

PARTITIONED = ("visit", "stamp_event", "points_event")
MONTHS_BACK = 14
MONTHS_AHEAD = 14
# Fewer than so many whole months ahead, and the worker has not got through for a year: doctor and /readyz say so.
MONTHS_AHEAD_LEAST = 2
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


def partition_ddl() -> list[str]:
    """Return what lets the worker make months ahead without the owner's login, for the migrations.

    The function runs with its owner's rights and takes a number of months only. It waits half a second for its locks
    and gives way: while it waits, stamps wait behind it. Where the default partition already holds rows of a month,
    that month is left out, because they would have to be moved first (docs/scaling.md).
    """
    tables = ", ".join(f"'{table}'" for table in PARTITIONED)
    return [
        f"""CREATE FUNCTION make_partitions(months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public SET lock_timeout = '500ms' AS $body$
DECLARE
    parent text; begins timestamptz; low text; high text; made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND {MONTHS_AHEAD} THEN
        RAISE EXCEPTION 'months must lie between 1 and {MONTHS_AHEAD}';
    END IF;
    FOREACH parent IN ARRAY ARRAY[{tables}] LOOP
        FOR ahead IN 0..months LOOP
            begins := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))
                AT TIME ZONE 'UTC';
            CONTINUE WHEN to_regclass(format('public.%I', parent || to_char(begins AT TIME ZONE 'UTC', '_YYYY_MM')))
                IS NOT NULL;
            low := lpad(to_hex((extract(epoch FROM begins) * 1000)::bigint), 12, '0') || '70008000000000000000';
            high := lpad(to_hex((extract(epoch FROM (begins AT TIME ZONE 'UTC' + interval '1 month')
                AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '70008000000000000000';
            BEGIN
                EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
                    parent || to_char(begins AT TIME ZONE 'UTC', '_YYYY_MM'), parent, low::uuid, high::uuid);
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'rows of % stand in the default partition of %', begins, parent;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END $body$""",
        "REVOKE ALL ON FUNCTION make_partitions(integer) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION make_partitions(integer) TO {SYSTEM_ROLE}",
    ]


# Asked of the catalogue by any role: how many coming months have their partitions, in the table that has the fewest.
_COUNTED = f"""SELECT count(to_regclass(format('public.%I', parent ||
        to_char((now() AT TIME ZONE 'UTC') + make_interval(months => ahead), '_YYYY_MM')))) AS months
    FROM unnest(ARRAY[{", ".join(f"'{table}'" for table in PARTITIONED)}]) AS parent
    CROSS JOIN generate_series(1, {MONTHS_AHEAD}) AS ahead GROUP BY parent"""
MONTHS_AHEAD_SQL = f"SELECT min(months) FROM ({_COUNTED}) AS counted"
