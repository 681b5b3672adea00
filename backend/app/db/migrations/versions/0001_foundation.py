"""The foundation: tables, rights, row-level security, the job queue."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything from the SQL beside this file."""
    statements = Path(__file__).with_name("0001_foundation.sql").read_text().split(";;\n")
    for statement in statements:
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
