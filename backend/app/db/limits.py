"""LIMIT as a number in the statement, so that its plan is made for that many rows.

The runtime roles keep one plan for all values (db/migrate.py). A LIMIT that comes as a value is unknown to such a
plan, which then expects a tenth of all rows: ten newest visits of nine millions were joined by hashing every customer.
The limits of this code are named constants, so that there are few different statements.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine


class _Compiler(PGCompiler_asyncpg):
    def limit_clause(self, select: Any, **kw: Any) -> str:
        limit = select._limit_clause  # noqa: SLF001 (as other dialects of SQLAlchemy do it)
        if limit is None or not select._simple_int_clause(limit):  # noqa: SLF001
            return str(super().limit_clause(select, **kw))  # type: ignore[no-untyped-call]
        clause = f" \n LIMIT {self.process(limit.render_literal_execute(), **kw)}"
        if select._offset_clause is not None:  # noqa: SLF001
            clause += f" OFFSET {self.process(select._offset_clause, **kw)}"  # noqa: SLF001
        return clause


def write_limits_out(engine: AsyncEngine) -> None:
    """Let an engine's statements say their limits."""
    engine.sync_engine.dialect.statement_compiler = _Compiler
