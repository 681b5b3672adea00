"""The machine and the database: disk, versions, connections, slow statements."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.observability import scrub_text
from app.kernel.release import RELEASE
from app.kernel.web.health import judge_schema

SLOW_LISTED_MAX = 15
SLOW_TEXT_LENGTH = 240
LIBRARIES = ("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "pgqueuer", "cryptography", "pillow", "jinja2")

_FACTS = """SELECT current_setting('server_version') AS server,
    current_setting('max_connections')::int AS connections_max,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    pg_database_size(current_database()) AS size_bytes,
    (SELECT version_num FROM alembic_version) AS schema,
    pg_is_in_recovery() AS is_replica,
    to_regclass('pg_stat_statements') IS NOT NULL AS has_statements"""
_MAY_SEE_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
# Only what reads and writes rows: other commands may quote what somebody typed.
_SLOW = """SELECT query, calls, mean_exec_time AS mean_ms, total_exec_time AS total_ms FROM pg_stat_statements
WHERE query ~* '^\\s*(select|insert|update|delete|with)\\M'
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC LIMIT :limit"""


@dataclass(frozen=True)
class DatabaseFacts:
    """What the database says of itself. schema_state: current, older or newer than this release."""

    server: str
    connections: int
    connections_max: int
    size_bytes: int
    schema: str
    schema_state: str
    has_statements: bool

    @property
    def connections_share(self) -> float:
        """Return the part of all connections that is taken."""
        return self.connections / self.connections_max


@dataclass(frozen=True)
class Disk:
    """The disk that holds the data folder."""

    total_bytes: int
    free_bytes: int

    @property
    def used_share(self) -> float:
        """Return the part that is full."""
        return 1 - self.free_bytes / self.total_bytes if self.total_bytes else 0.0


@dataclass(frozen=True)
class SlowStatement:
    """A kind of statement, without its values."""

    query: str
    calls: int
    mean_ms: float
    total_ms: float


async def read_database(session: AsyncSession) -> DatabaseFacts:
    """Ask the database about itself (system scope)."""
    row = (await session.execute(text(_FACTS))).one()
    return DatabaseFacts(
        server=row.server.split(" ")[0],
        connections=row.connections,
        connections_max=row.connections_max,
        size_bytes=row.size_bytes,
        schema=row.schema,
        schema_state=judge_schema(row.schema),
        has_statements=row.has_statements,
    )


async def list_slow(session: AsyncSession) -> list[SlowStatement] | None:
    """Return the statements that took most of the database's time; None where it may not or cannot say.

    Without pg_read_all_stats a login sees its own only: a list that leaves out the till's would mislead.
    """
    try:
        async with session.begin_nested():
            if not await session.scalar(text(_MAY_SEE_ALL)):
                return None
            rows = (await session.execute(text(_SLOW), {"limit": SLOW_LISTED_MAX})).all()
    except DBAPIError:
        return None
    return [
        SlowStatement(_in_one_line(row.query), row.calls, float(row.mean_ms), float(row.total_ms))
        for row in rows
    ]


def _in_one_line(query: str) -> str:
    line = scrub_text(" ".join(query.split()))
    return line if len(line) <= SLOW_TEXT_LENGTH else f"{line[:SLOW_TEXT_LENGTH]}…"


def read_disk(folder: Path) -> Disk:
    """Return how full the disk of a folder is; of its nearest parent where it is not there yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return Disk(usage.total, usage.free)


@cache
def list_versions() -> tuple[tuple[str, str], ...]:
    """Return (name, version) of the release, of Python and of what it stands on."""
    found = [("Stempel", RELEASE), ("Python", platform.python_version())]
    for name in LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)
