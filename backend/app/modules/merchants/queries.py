"""Reads that look beyond the module: whether purchases exist."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import column, select, table
from sqlalchemy.ext.asyncio import AsyncSession

# Read as a plain table: visits come after merchants in the order of modules.
_VISIT = table("visit", column("merchant_id"), column("id"))


async def has_visits(session: AsyncSession, merchant_id: UUID) -> bool:
    """Tell whether a purchase or visit was ever entered."""
    found = await session.execute(select(_VISIT.c.id).where(_VISIT.c.merchant_id == merchant_id).limit(1))
    return found.first() is not None
