"""What pages ask the database, and how long the database alone takes for it: each statement explained once more."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.kernel.jobs.enqueue import connection_of

READS = ("SELECT", "WITH")


@dataclass(frozen=True)
class Noted:
    """A statement with its values, and the seconds it took as the client saw it."""

    statement: str
    values: tuple[Any, ...]
    seconds: float

    @property
    def is_read(self) -> bool:
        """Tell whether it only reads, so that it can be run again; binding the tenant does not count."""
        return self.statement.lstrip().startswith(READS) and "set_config" not in self.statement


@dataclass(frozen=True)
class Explained:
    """A statement run once more under EXPLAIN ANALYZE, planning included; its steps are not timed, which costs time."""

    statement: str
    milliseconds: float
    plan: dict[str, Any]


class Notes:
    """Notes every statement of a database's connections; SQLAlchemy tells of its own, the driver of the others."""

    def __init__(self, database: Database) -> None:
        self.noted: list[Noted] = []
        self._begun: dict[int, float] = {}
        engine = database.engine.sync_engine
        event.listen(engine, "connect", self._listen)
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)

    def _listen(self, connection: Any, _record: Any) -> None:
        connection.driver_connection.add_query_logger(self._note)

    def _note(self, record: Any) -> None:
        self.noted.append(Noted(record.query, tuple(record.args or ()), record.elapsed))

    def _begin(self, _connection: Any, cursor: Any, *_rest: Any) -> None:
        self._begun[id(cursor)] = time.perf_counter()

    def _end(self, _connection: Any, cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        seconds = time.perf_counter() - self._begun.pop(id(cursor))
        self.noted.append(Noted(statement, tuple(values or ()), seconds))

    def take(self) -> list[Noted]:
        """Return what was noted, and begin anew."""
        noted, self.noted = self.noted, []
        return noted


async def explain(session: AsyncSession, noted: Noted) -> Explained:
    """Run a statement once more, planned as the application's prepared statements are (one plan for all values)."""
    raw = await connection_of(session)
    types = [one.name for one in (await raw.prepare(noted.statement)).get_parameters()]
    quoted = [
        await raw.fetchval(f"SELECT quote_nullable(CAST(CAST($1 AS {kind}) AS text))", value)
        for kind, value in zip(types, noted.values, strict=True)
    ]
    await raw.execute(f"PREPARE noted AS {noted.statement}")
    given = f"({', '.join(quoted)})" if quoted else ""
    found = await raw.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) EXECUTE noted{given}")
    await raw.execute("DEALLOCATE noted")
    plan = (json.loads(found) if isinstance(found, str) else found)[0]
    return Explained(noted.statement, plan["Planning Time"] + plan["Execution Time"], plan["Plan"])
