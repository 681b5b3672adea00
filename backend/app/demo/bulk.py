"""Many rows in few statements, by the runtime role and under row-level security (COPY is refused there)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base

ROWS_AT_ONCE = 4_000
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


async def insert_rows(session: AsyncSession, name: str, rows: Sequence[dict[str, Any]]) -> int:
    """Write rows into a table; every row has the columns of the first. Returns how many."""
    if not rows:
        return 0
    table = Base.metadata.tables[name]
    columns = [f'"{column}"' for column in rows[0]]
    types = ", ".join(f'"{column}" {_type(table, column)}' for column in rows[0])
    # The names come from code, never from input.
    statement = text(
        f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(columns)}"  # noqa: S608
        f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({types})"
    )
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = json.dumps(rows[start : start + ROWS_AT_ONCE], default=_plain, ensure_ascii=False)
        await session.execute(statement, {"rows": part})
    return len(rows)


def _type(table: Table, column: str) -> str:
    return table.columns[column].type.compile(dialect=_DIALECT)


def _plain(value: object) -> object:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(type(value).__name__)
