"""A database that a bench keeps: brought up to today's models before it is used again, until there are releases."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from app.db.base import Base
from app.db.rights import open_table, protect
from app.installed import INSTALLED
from app.kernel.registry import Registry

_DIALECT = postgresql.dialect()
_COLUMNS = text(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
)
_INDEXES = text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")


async def follow_models(owner: AsyncConnection) -> list[str]:
    """Add the tables, columns and indexes that came since the folder was made; returns what was done."""
    Registry(INSTALLED).import_models()
    known: dict[str, set[str]] = {}
    for table_name, column_name in await owner.execute(_COLUMNS):
        known.setdefault(table_name, set()).add(column_name)
    indexes = {row.indexname for row in await owner.execute(_INDEXES)}
    tenants = {
        mapper.local_table.name: getattr(mapper.class_, "__tenant__", None)
        for mapper in Base.registry.mappers
    }
    missing: list[str] = []
    for table in Base.metadata.sorted_tables:
        there = known.get(table.name)
        if there is None:
            tenant = tenants[table.name]
            missing.append(str(CreateTable(table).compile(dialect=_DIALECT)))
            missing += protect(table.name, tenant_column=tenant) if tenant else open_table(table.name)
        else:
            added = [column for column in table.columns if column.name not in there]
            missing += [
                f"ALTER TABLE {table.name} ADD COLUMN {CreateColumn(column).compile(dialect=_DIALECT)}"
                for column in added
            ]
        missing += [
            str(CreateIndex(index).compile(dialect=_DIALECT))
            for index in table.indexes
            if index.name not in indexes
        ]
    for statement in missing:
        await owner.execute(text(statement.replace(":", "\\:")))
    return missing
