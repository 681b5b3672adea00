"""What cards contributes to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.cards.models import CardLink, PassObject


async def export_cards(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return the customer's cards with their balances."""
    rows = await session.scalars(
        select(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id)
        .order_by(PassObject.id)
    )
    return {
        "cards": [
            {
                "pass_id": str(card.id),
                "card_number": card.card_number,
                "status": card.status,
                "stamp_count": card.stamp_count,
                "points_balance": card.points_balance,
                "created_at": card.created_at.isoformat(),
                "last_visit_at": card.last_visit_at.isoformat() if card.last_visit_at else None,
            }
            for card in rows
        ]
    }


async def erase_cards(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """End the customer's cards: no link, cookie or number leads to them; the ledgers keep their ids."""
    mine = select(PassObject.id).where(
        PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
    )
    await session.execute(
        delete(CardLink)
        .where(
            CardLink.merchant_id == merchant_id,
            or_(CardLink.pass_id.in_(mine), CardLink.merge_from.in_(mine)),
        )
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id)
        .values(
            status="erased",
            traits={},
            token_version=PassObject.token_version + 1,
            revision=PassObject.revision + 1,
        )
        .execution_options(synchronize_session=False)
    )


PERSONAL = PersonalData(tables=("pass_object", "card_link"), export=export_cards, erase=erase_cards)
