"""Alembic's environment: the connection comes from db/migrate.py."""

from alembic import context

from app.db.base import Base
from app.installed import INSTALLED
from app.kernel.registry import Registry

Registry(INSTALLED).import_models()


def _own_tables(name: str | None, type_: str, parent_names: object) -> bool:
    # Partitions and the queue library's tables are not in the metadata.
    return type_ != "table" or name in Base.metadata.tables


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=_own_tables,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
