"""What happened last on a card, to offer taking it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.rewards.public import Redemption
from app.modules.visits.public import Visit


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The newest visit or redemption of a card that stands."""

    kind: Literal["visit", "redemption"]
    id: UUID
    store_id: UUID
    at: datetime
    stamps: int = 0
    points: int = 0


async def find_last_event(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> LastEvent | None:
    """Return the newest thing that happened on the card and was not taken back."""
    visit = await session.scalar(
        select(Visit)
        .where(Visit.merchant_id == merchant_id, Visit.pass_id == pass_id, Visit.voided_at.is_(None))
        .order_by(Visit.id.desc())
        .limit(1)
    )
    redemption = await session.scalar(
        select(Redemption)
        .where(
            Redemption.merchant_id == merchant_id,
            Redemption.pass_id == pass_id,
            Redemption.voided_at.is_(None),
        )
        .order_by(Redemption.id.desc())
        .limit(1)
    )
    events = []
    if visit is not None:
        events.append(
            LastEvent("visit", visit.id, visit.store_id, visit.at, stamps=visit.stamps, points=visit.points)
        )
    if redemption is not None:
        events.append(LastEvent("redemption", redemption.id, redemption.store_id, redemption.redeemed_at))
    return max(events, key=lambda event: event.at, default=None)
