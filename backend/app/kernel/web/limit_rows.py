"""Rate limits counted in PostgreSQL: one unlogged row per limit, key and window."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic

LIMIT_TABLE = "rate_limit"
WINDOW_LONGEST = timedelta(days=1)

# Windows are aligned to the clock of the database, which all processes share.
_HIT = text("""
    INSERT INTO rate_limit (name, key, window_start, hits)
    VALUES (:name, :key, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / :seconds) * :seconds), 1)
    ON CONFLICT (name, key, window_start) DO UPDATE SET hits = least(rate_limit.hits + 1, 1000000000)
    RETURNING hits, window_start
""")


def limit_ddl(*, app_role: str = "stempel_app", system_role: str = "stempel_system") -> list[str]:
    """Return the statements that make the table of counts; unlogged, because a crash may forget them."""
    return [
        f"""CREATE UNLOGGED TABLE {LIMIT_TABLE} (
    name text NOT NULL,
    key text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    hits integer NOT NULL,
    PRIMARY KEY (name, key, window_start)
)""",
        f"CREATE INDEX rate_limit_window_start_idx ON {LIMIT_TABLE} (window_start)",
        f"GRANT SELECT, INSERT, UPDATE ON {LIMIT_TABLE} TO {app_role}",
        f"GRANT SELECT, DELETE ON {LIMIT_TABLE} TO {system_role}",
    ]


async def hit_row(
    session: AsyncSession, name: str, key: str, *, amount: int, per: timedelta
) -> datetime | None:
    """Count one hit; return the end of the window when the key is over its limit."""
    values = {"name": name, "key": key, "seconds": int(per.total_seconds())}
    row = (await session.execute(_HIT, values)).one()
    window_end: datetime = row.window_start + per
    return window_end if row.hits > amount else None


async def _prune(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            text(f"DELETE FROM {LIMIT_TABLE} WHERE window_start < now() - CAST(:longest AS interval)"),
            {"longest": WINDOW_LONGEST},
        )


prune_limits = Periodic("kernel.prune_limits", every=timedelta(hours=1), run=_prune)
