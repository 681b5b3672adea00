"""What stamps does when others act."""

from __future__ import annotations

from app.modules.cards.public import CardMerged
from app.modules.stamps.models import StampEvent
from app.utils.id_generator import new_id


def move_merged_stamps(merged: CardMerged) -> None:
    """Move a duplicate card's stamps by two transfer entries; the totals on the cards are moved already."""
    moved = merged.source.stamp_count
    if moved == 0:
        return
    sides = (
        (merged.source, -moved, 0),
        (merged.target, moved, merged.target.stamp_count + moved),
    )
    for side, stamps, after in sides:
        merged.session.add(
            StampEvent(
                merchant_id=merged.merchant_id,
                id=new_id(),
                pass_id=side.pass_id,
                store_id=side.store_id,
                kind="transfer",
                stamps_added=stamps,
                balance_after=after,
                rule={"merged": str(merged.source.pass_id), "into": str(merged.target.pass_id)},
                timestamp=merged.now,
            )
        )
