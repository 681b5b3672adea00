"""What points does when others act."""

from __future__ import annotations

from sqlalchemy import select, update

from app.kernel.ledger import Lot, take_from_lots
from app.modules.cards.public import CardMerged
from app.modules.points.models import PointsEvent, PointsLot
from app.utils.id_generator import new_id


async def move_merged_points(merged: CardMerged) -> None:
    """Move a duplicate card's points by two transfer entries, and its lots with their own expiry."""
    moved = merged.source.points_balance
    total = merged.target.points_balance + moved
    sides = ((merged.source, -moved, 0), (merged.target, moved, total))
    for side, points, after in sides if moved else ():
        merged.session.add(
            PointsEvent(
                merchant_id=merged.merchant_id,
                id=new_id(),
                pass_id=side.pass_id,
                store_id=side.store_id,
                kind="transfer",
                points_added=points,
                balance_after=after,
                rule={"merged": str(merged.source.pass_id), "into": str(merged.target.pass_id)},
                timestamp=merged.now,
            )
        )
    await merged.session.execute(
        update(PointsLot)
        .where(PointsLot.merchant_id == merged.merchant_id, PointsLot.pass_id == merged.source.pass_id)
        .values(pass_id=merged.target.pass_id)
        .execution_options(synchronize_session=False)
    )
    await _fill_debt(merged, total=total)


async def _fill_debt(merged: CardMerged, *, total: int) -> None:
    """Take from the lots what a debt of one of the two cards uses up: lots hold what can be spent, never more."""
    rows = (
        await merged.session.scalars(
            select(PointsLot)
            .where(
                PointsLot.merchant_id == merged.merchant_id,
                PointsLot.pass_id == merged.target.pass_id,
                PointsLot.remaining > 0,
            )
            .execution_options(populate_existing=True)
        )
    ).all()
    excess = sum(row.remaining for row in rows) - max(0, total)
    by_id = {row.id: row for row in rows}
    for use in take_from_lots([Lot(row.id, row.remaining, row.expires_at) for row in rows], excess):
        by_id[use.lot_id].remaining -= use.points
    await merged.session.flush()
