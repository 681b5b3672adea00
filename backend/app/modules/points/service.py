"""Moving points outside a visit: entries, and the lots they are taken from or given back to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.ledger import Lot, take_from_lots
from app.modules.cards.public import PassObject
from app.modules.points.models import PointsEvent, PointsLot
from app.modules.stamps.public import Cause
from app.utils.id_generator import new_id


async def lock_lots(session: AsyncSession, card: PassObject) -> list[PointsLot]:
    """Return the card's lots that still hold points. The card's own lock guards them: nobody moves lots without."""
    lots = await session.scalars(
        select(PointsLot)
        .where(
            PointsLot.merchant_id == card.merchant_id, PointsLot.pass_id == card.id, PointsLot.remaining > 0
        )
        .execution_options(populate_existing=True)
    )
    return list(lots)


async def take_points(
    session: AsyncSession,
    card: PassObject,
    *,
    points: int,
    cause: Cause,
    now: datetime,
    first: Sequence[UUID] = (),
) -> PointsEvent:
    """Take points from the locked card: soonest expiry first, after the lots named in `first`.

    The balance may fall below zero only by a forced void; the lots then hold nothing.
    """
    assert points > 0
    lots = {lot.id: lot for lot in await lock_lots(session, card)}
    wanted = points
    uses: list[list[Any]] = []
    for lot_id in first:
        lot = lots.get(lot_id)
        if lot is not None and wanted > 0:
            taken = min(lot.remaining, wanted)
            lot.remaining -= taken
            wanted -= taken
            uses.append([str(lot_id), taken])
    open_lots = [Lot(lot.id, lot.remaining, lot.expires_at) for lot in lots.values() if lot.remaining > 0]
    for use in take_from_lots(open_lots, wanted):
        lots[use.lot_id].remaining -= use.points
        uses.append([str(use.lot_id), use.points])
    await (
        session.flush()
    )  # the lots' rows must be written before another statement of this transaction reads them
    return _add_entry(session, card, points=-points, cause=cause, lots=uses, now=now)


async def give_points(
    session: AsyncSession,
    card: PassObject,
    *,
    points: int,
    cause: Cause,
    now: datetime,
    expires_at: datetime | None = None,
) -> PointsEvent:
    """Give points as a new lot; a debt is filled first and only the rest can be spent."""
    assert points > 0
    entry = _add_entry(session, card, points=points, cause=cause, lots=[], now=now)
    session.add(
        PointsLot(
            merchant_id=card.merchant_id,
            id=entry.id,
            pass_id=card.id,
            remaining=max(0, min(points, card.points_balance)),
            earned_at=now,
            expires_at=expires_at,
        )
    )
    await session.flush()
    return entry


async def give_points_back(
    session: AsyncSession, card: PassObject, *, spent: PointsEvent, cause: Cause, now: datetime
) -> PointsEvent:
    """Give back what an entry took, to the lots it was taken from, with their own expiry."""
    points = -spent.points_added
    assert points > 0
    entry = _add_entry(session, card, points=points, cause=cause, lots=spent.lots, now=now)
    held = sum(lot.remaining for lot in await lock_lots(session, card))
    # While there is a debt, what comes back fills it first; the lots hold what can be spent, never more.
    room = max(0, card.points_balance) - held
    for lot_id, taken in reversed(spent.lots):
        back = min(int(taken), room)
        lot = await session.get(PointsLot, (card.merchant_id, UUID(lot_id)))
        assert lot is not None
        lot.remaining += back
        room -= back
    await session.flush()
    return entry


def _add_entry(
    session: AsyncSession, card: PassObject, *, points: int, cause: Cause, lots: list[Any], now: datetime
) -> PointsEvent:
    card.points_balance += points
    entry = PointsEvent(
        merchant_id=card.merchant_id,
        id=new_id(),
        pass_id=card.id,
        store_id=cause.store_id,
        visit_id=cause.visit_id,
        redemption_id=cause.redemption_id,
        staff_id=cause.staff_id,
        kind=cause.kind,
        points_added=points,
        balance_after=card.points_balance,
        rule=dict(cause.rule),
        lots=lots,
        voids=cause.voids,
        timestamp=now,
    )
    session.add(entry)
    return entry
