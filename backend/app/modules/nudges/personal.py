"""What nudges knows of a customer: when they were last written to. What was written is messaging's."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.nudges.models import News, NudgeSlot


async def export_slot(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return when a customer was last written to."""
    row = await session.get(NudgeSlot, (merchant_id, customer_id))
    return {"last_message_at": row.last_at.isoformat() if row else None}


async def erase_slot(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Forget it."""
    await session.execute(
        delete(NudgeSlot).where(NudgeSlot.merchant_id == merchant_id, NudgeSlot.customer_id == customer_id)
    )
    await session.execute(
        update(News)
        .where(News.merchant_id == merchant_id, News.after == customer_id, News.status == "sent")
        .values(after=None)
    )


PERSONAL = PersonalData(tables=("nudge_slot", "news"), export=export_slot, erase=erase_slot)
