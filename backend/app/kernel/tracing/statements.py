"""Each statement as a part of the request or job that sent it: the drivers' own ways to be watched, no wrappers.

asyncpg tells of what is sent on a connection directly (the hot path, BEGIN and COMMIT), SQLAlchemy of what it sends as
prepared statements; of many rows at once both do, and asyncpg is heard. Only the time is taken from a statement and
its shape; values are not looked at.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from app.kernel.tracing.shapes import shape_of
from app.kernel.tracing.spans import CURRENT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.kernel.adapters import Resources

SYSTEM = "postgresql"


def watch_statements(resources: Resources) -> None:
    """Watch every connection that this process opens from now on."""
    from app.db.session import Database

    database = resources.get(Database)
    engines = [database.engine, database.system_engine]
    if database.replica is not None:
        engines.append(database.replica.engine)
    for engine in engines:
        _watch_engine(engine)
    if database.direct is not None:
        database.direct.watch = _watch_connection


def _watch_engine(engine: AsyncEngine) -> None:
    event.listen(
        engine.sync_engine, "connect", lambda opened, _record: _watch_connection(opened.driver_connection)
    )
    event.listen(engine.sync_engine, "before_cursor_execute", _begin)
    event.listen(engine.sync_engine, "after_cursor_execute", _end)
    event.listen(engine.sync_engine, "handle_error", _fail)


def _watch_connection(connection: Any) -> None:
    # The logger is called in the context of the statement's task, as soon as the loop has a moment.
    connection.add_query_logger(_on_query)


def _on_query(record: Any) -> None:
    error = type(record.exception).__name__ if record.exception is not None else ""
    _note(record.query, seconds=record.elapsed, error=error)


def _begin(*given: Any) -> None:
    *_, context, _is_many = given
    context.stempel_begun = perf_counter()


def _end(*given: Any) -> None:
    _connection, _cursor, statement, _parameters, context, is_many = given
    if not is_many:
        _note(statement, seconds=perf_counter() - context.stempel_begun, error="")


def _fail(failure: Any) -> None:
    context = failure.execution_context
    begun = getattr(context, "stempel_begun", None)
    if begun is not None and not context.executemany and failure.statement:
        # SQLAlchemy's own error says less than asyncpg's below it.
        error = failure.original_exception.__cause__ or failure.original_exception
        _note(failure.statement, seconds=perf_counter() - begun, error=type(error).__name__)


def _note(statement: str, *, seconds: float, error: str) -> None:
    span = CURRENT.get()
    if span is None or not span.is_kept:
        return
    name, text = shape_of(statement)
    span.add_part(
        name, seconds=seconds, attributes={"db.system.name": SYSTEM, "db.query.text": text}, error=error
    )
