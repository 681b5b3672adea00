"""Moving stamps outside a visit: every movement is an entry, the total on the card follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import PassObject
from app.modules.stamps.models import StampEvent
from app.utils.id_generator import new_id


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a balance moves: the kind of entry and what it belongs to."""

    kind: str
    store_id: UUID
    visit_id: UUID | None = None
    redemption_id: UUID | None = None
    staff_id: UUID | None = None
    voids: UUID | None = None
    rule: Mapping[str, Any] = field(default_factory=dict)


def move_stamps(
    session: AsyncSession, card: PassObject, *, stamps: int, cause: Cause, now: datetime
) -> StampEvent | None:
    """Append an entry of so many stamps (signed) and move the locked card's total; nothing for zero."""
    if stamps == 0:
        return None
    card.stamp_count += stamps
    if card.stamp_count <= 0:
        card.first_stamp_at = None
    entry = StampEvent(
        merchant_id=card.merchant_id,
        id=new_id(),
        pass_id=card.id,
        store_id=cause.store_id,
        visit_id=cause.visit_id,
        redemption_id=cause.redemption_id,
        staff_id=cause.staff_id,
        kind=cause.kind,
        stamps_added=stamps,
        balance_after=card.stamp_count,
        rule=dict(cause.rule),
        voids=cause.voids,
        timestamp=now,
    )
    session.add(entry)
    return entry
