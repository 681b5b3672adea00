"""Write 0001_foundation.sql from today's models. Only until the first release; later changes are new migrations.

Run: python tools/initial_migration.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "backend"))

from sqlalchemy.dialects import postgresql  # noqa: E402 - the path comes first
from sqlalchemy.schema import CreateIndex, CreateTable  # noqa: E402 - the path comes first

import app.db.keycheck  # noqa: E402 - the kernel's own tables
import app.db.lookup  # noqa: E402 - the kernel's own tables
import app.kernel.audit  # noqa: E402 - the kernel's own tables
import app.kernel.backups  # noqa: E402 - the kernel's own tables
import app.kernel.idempotency  # noqa: E402 - the kernel's own tables
import app.kernel.settings  # noqa: E402 - the kernel's own tables
from app.db.base import Base  # noqa: E402 - the path comes first
from app.db.partitions import partition_ddl  # noqa: E402 - the path comes first
from app.db.rights import APP_ROLE, SYSTEM_ROLE, open_table, protect  # noqa: E402 - the path comes first
from app.installed import INSTALLED  # noqa: E402 - the path comes first
from app.kernel.jobs import queue_ddl  # noqa: E402 - the path comes first
from app.kernel.registry import Registry  # noqa: E402 - the path comes first
from app.kernel.web.limit_rows import limit_ddl  # noqa: E402 - the path comes first

TARGET = ROOT / "backend/app/db/migrations/versions/0001_foundation.sql"


def render() -> str:
    """Return every table, index and right in dependency order."""
    Registry(INSTALLED).import_models()
    dialect = postgresql.dialect()
    statements = [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {SYSTEM_ROLE}",
    ]
    for table in Base.metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            statements.append(str(CreateIndex(index).compile(dialect=dialect)).strip())
    mappers = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    for table in Base.metadata.sorted_tables:
        tenant = getattr(mappers[table.name], "__tenant__", None)
        statements += protect(table.name, tenant_column=tenant) if tenant else open_table(table.name)
    statements += [f"GRANT SELECT ON alembic_version TO {APP_ROLE}, {SYSTEM_ROLE}"]
    statements += queue_ddl()
    statements += limit_ddl()
    statements += partition_ddl()
    return ";;\n\n".join(statement.strip().rstrip(";") for statement in statements) + ";;\n"


def main() -> None:
    """Write the migration."""
    TARGET.write_text(render())


if __name__ == "__main__":
    main()
