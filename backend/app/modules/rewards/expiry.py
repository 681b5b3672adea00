"""Points and stamps that have run out, taken off under the card's lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import PassObject
from app.modules.points.public import add_months, lock_lots, take_points
from app.modules.stamps.public import Cause, move_stamps
from app.modules.stores.public import ProgramView


async def expire_due(
    session: AsyncSession, card: PassObject, program: ProgramView, *, time_zone: str, now: datetime
) -> bool:
    """Take off what has run out by now; tell whether anything did. The caller settles the card.

    Switching expiry on expires nothing sooner than one period later: *_expiry_since counts like a visit.
    """
    expired = await _expire_points(session, card, program, time_zone=time_zone, now=now)
    return _expire_stamps(session, card, program, time_zone=time_zone, now=now) or expired


async def _expire_points(
    session: AsyncSession, card: PassObject, program: ProgramView, *, time_zone: str, now: datetime
) -> bool:
    if card.points_balance <= 0:
        return False
    lots = await lock_lots(session, card)
    due = [lot for lot in lots if lot.expires_at is not None and lot.expires_at <= now]
    if program.points_expiry == "after_last_visit" and card.last_visit_at and program.points_expiry_since:
        since = max(card.last_visit_at, program.points_expiry_since)
        if add_months(since, program.points_expiry_months, time_zone=time_zone) <= now:
            due = lots
    if program.points_expiry == "after_earned" and program.points_expiry_since:
        # Lots from before expiry was switched on carry no date of their own.
        since = program.points_expiry_since
        for lot in lots:
            period_ends = add_months(
                max(lot.earned_at, since), program.points_expiry_months, time_zone=time_zone
            )
            if lot.expires_at is None and period_ends <= now:
                due.append(lot)
    points = sum(lot.remaining for lot in due)
    if points:
        cause = _cause(card, {"points_expiry": program.points_expiry, "months": program.points_expiry_months})
        await take_points(session, card, points=points, cause=cause, now=now, first=[lot.id for lot in due])
    return bool(points)


def _expire_stamps(
    session: AsyncSession, card: PassObject, program: ProgramView, *, time_zone: str, now: datetime
) -> bool:
    months, since = program.stamps_expiry_months, program.stamps_expiry_since
    if not months or since is None or card.first_stamp_at is None or card.stamp_count <= 0:
        return False
    if add_months(max(card.first_stamp_at, since), months, time_zone=time_zone) > now:
        return False
    move_stamps(
        session, card, stamps=-card.stamp_count, cause=_cause(card, {"stamps_expiry_months": months}), now=now
    )
    return True


def _cause(card: PassObject, rule: dict[str, object]) -> Cause:
    store_id: UUID = card.store_id
    return Cause("expire", store_id, rule=rule)
