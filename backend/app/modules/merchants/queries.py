"""Reads for other modules: whether purchases exist, and what several merchants have switched on."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import column, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.merchants.models import Merchant

# Read as a plain table: visits come after merchants in the order of modules.
_VISIT = table("visit", column("merchant_id"), column("id"))


async def has_visits(session: AsyncSession, merchant_id: UUID) -> bool:
    """Tell whether a purchase or visit was ever entered."""
    found = await session.execute(select(_VISIT.c.id).where(_VISIT.c.merchant_id == merchant_id).limit(1))
    return found.first() is not None


async def list_modules_on(
    session: AsyncSession, merchant_ids: Collection[UUID]
) -> dict[UUID, frozenset[str]]:
    """Return what each of the merchants has switched on; across merchants where the session is the system's."""
    rows = await session.execute(
        select(Merchant.id, Merchant.modules_on).where(Merchant.id.in_(merchant_ids))
    )
    return {row.id: frozenset(row.modules_on) for row in rows}


async def list_merchant_ids(session: AsyncSession) -> list[UUID]:
    """Return every business that is still one, in a fixed order; across merchants where the session is the system's."""
    # One that is gone (forget_merchant) has a row for its ledgers and nobody who could sign in.
    living = select(Merchant.id).where(Merchant.password_hash != "").order_by(Merchant.id)
    return list(await session.scalars(living))
