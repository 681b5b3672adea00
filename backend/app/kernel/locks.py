"""Advisory locks for what has no row to lock; named, so that two uses never meet by accident."""

from __future__ import annotations

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


def lock_number(name: str, *parts: object) -> int:
    """Return the signed 64-bit number of a named lock."""
    digest = hashlib.sha256(":".join([name, *map(str, parts)]).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def lock_name(session: AsyncSession, name: str, *parts: object) -> None:
    """Hold the named lock until the transaction ends; waits at most the role's lock_timeout."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(name, *parts)}
    )
