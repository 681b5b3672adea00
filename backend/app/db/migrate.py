"""Brings a database up to date with the owner's login: roles, schema, partitions."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.db.partitions import ensure_partitions
from app.db.rights import APP_ROLE, SYSTEM_ROLE
from app.db.session import to_async_url
from app.kernel.clock import SystemClock

MIGRATIONS = Path(__file__).parent / "migrations"

# Limits and habits of the runtime roles, kept at the role so that they also hold behind PgBouncer.
ROLE_SETTINGS = {
    "lock_timeout": "3s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
    # Our statements look up by key: one plan serves all values, and planning each time cost more than running.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
MIGRATION_LOCK = 7_316_104_529


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def head_revision() -> str:
    """Return the newest revision the code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


def upgrade(admin_url: str, *, app_password: str, system_password: str) -> None:
    """Create the roles and bring the schema to the newest revision; safe to run twice and at once."""
    asyncio.run(upgrade_async(admin_url, app_password=app_password, system_password=system_password))


async def upgrade_async(admin_url: str, *, app_password: str, system_password: str) -> None:
    """Do what upgrade does, for callers that have an event loop already."""
    engine = create_async_engine(to_async_url(admin_url))
    try:
        async with engine.connect() as guard:
            # Two containers that start at once must not migrate at once.
            await guard.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            await guard.commit()
            async with engine.begin() as connection:
                await _ensure_roles(connection, {APP_ROLE: app_password, SYSTEM_ROLE: system_password})
            async with engine.begin() as connection:
                await connection.run_sync(_run_alembic)
                await ensure_partitions(connection, SystemClock().now())
            await guard.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
    finally:
        await engine.dispose()


def _run_alembic(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _ensure_roles(connection: AsyncConnection, passwords: dict[str, str]) -> None:
    for role, password in passwords.items():
        known = (
            await connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role})
        ).first()
        if known is None:
            await connection.execute(
                text(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
            )
        if password:
            quoted = password.replace("'", "''")
            await connection.execute(text(f"ALTER ROLE {role} PASSWORD '{quoted}'".replace(":", "\\:")))
        for name, value in ROLE_SETTINGS.items():
            await connection.execute(text(f"ALTER ROLE {role} SET {name} = '{value}'"))
