"""The database's side of a backup: which tables, COPY out of them in one snapshot and back into them.

Everything is asked of the catalogue, so that a new table is in the next backup without a line here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

COPY_TIME_MAX = timedelta(hours=12)  # of one table
STATEMENT_TIME_MAX = timedelta(hours=2)  # of building one key or index again
# The revision is written by the migrations, and unlogged tables (limits) may be forgotten in any crash.
LEFT_OUT = ("alembic_version",)

_TABLES = """
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence = 'p' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND c.relname <> ALL($1::text[])
GROUP BY c.relname ORDER BY c.relname
"""
_SEQUENCES = "SELECT sequencename AS name, last_value FROM pg_sequences WHERE schemaname = 'public'"
_PARTITIONS = """
SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relispartition ORDER BY c.relname
"""
_HAS_TABLES = """
SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p'))
"""
_REFERENCES = """
SELECT conrelid::regclass::text AS table, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
_FORCED = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relforcerowsecurity AND relkind IN ('r', 'p')
"""


@dataclass(frozen=True)
class Table:
    """A table and the columns that are copied: all but the generated ones."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """What a database holds beside rows."""

    tables: tuple[Table, ...]
    sequences: Mapping[str, int]
    partitions: tuple[str, ...]


async def read_layout(connection: Any) -> Layout:
    """Ask the catalogue for tables, sequences and partitions."""
    tables = [Table(row["name"], tuple(row["columns"])) for row in await connection.fetch(_TABLES, LEFT_OUT)]
    sequences = {
        row["name"]: int(row["last_value"])
        for row in await connection.fetch(_SEQUENCES)
        if row["last_value"] is not None
    }
    partitions = [row["relname"] for row in await connection.fetch(_PARTITIONS)]
    return Layout(tuple(tables), sequences, tuple(partitions))


async def has_tables(connection: Any) -> bool:
    """Tell whether anything was ever made in the database."""
    return bool(await connection.fetchval(_HAS_TABLES))


async def copy_out(connection: Any, table: Table, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Hand over a table's rows as COPY writes them, a piece after the other."""
    columns = ", ".join(quoted(name) for name in table.columns)
    await connection.copy_from_query(
        f"SELECT {columns} FROM public.{quoted(table.name)}",  # noqa: S608 (names from the catalogue, quoted)
        output=take,
        timeout=COPY_TIME_MAX.total_seconds(),
    )


async def copy_in(connection: Any, table: Table, pieces: AsyncIterator[bytes]) -> int:
    """Write pieces back into a table, and return how many rows they were."""
    status: str = await connection.copy_to_table(
        table.name,
        schema_name="public",
        columns=list(table.columns),
        source=pieces,
        timeout=COPY_TIME_MAX.total_seconds(),
    )
    return int(status.split()[-1])


async def set_sequences(connection: Any, values: Mapping[str, int]) -> None:
    """Let numbers go on where they were."""
    for name, value in values.items():
        await connection.execute("SELECT setval($1::text::regclass, $2)", f"public.{quoted(name)}", value)


async def loosen(connection: Any) -> list[str]:
    """Take references and the owner's own row-level security away, for loading; return what puts them back.

    COPY does not write into tables whose row-level security binds its user, and an owner need be no superuser.
    References are checked in one go when they come back, which takes a fraction of asking row by row.
    """
    back = []
    for row in await connection.fetch(_REFERENCES):
        await connection.execute(f"ALTER TABLE {row['table']} DROP CONSTRAINT {row['name']}")
        back.append(f"ALTER TABLE {row['table']} ADD CONSTRAINT {row['name']} {row['definition']}")
    for row in await connection.fetch(_FORCED):
        await connection.execute(f"ALTER TABLE {row[0]} NO FORCE ROW LEVEL SECURITY")
        back.append(f"ALTER TABLE {row[0]} FORCE ROW LEVEL SECURITY")
    return back


async def run_all(connection: Any, statements: Sequence[str]) -> None:
    """Run statements that may take long."""
    for statement in statements:
        await connection.execute(statement, timeout=STATEMENT_TIME_MAX.total_seconds())


def quoted(name: str) -> str:
    """Return a name as SQL takes it literally."""
    return '"' + name.replace('"', '""') + '"'
