"""Cards for people whom a merchant brings along: made in few statements, and nobody is written to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.hooks import CARD_JOINED, CardJoined
from app.modules.cards.models import PassObject
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_card_number, new_id


async def import_cards(
    session: AsyncSession, store: StoreView, customer_ids: Sequence[UUID], *, source: str, now: datetime
) -> list[PassObject]:
    """Make a card of the store's programme for each of these customers; the rows are the caller's until the commit."""
    merchant_id, program_id = store.merchant_id, store.program.id
    cards = [
        PassObject(
            merchant_id=merchant_id,
            id=new_id(),
            customer_id=customer_id,
            store_id=store.id,
            program_id=program_id,
            card_number=new_card_number(),
            status="active",
            stamp_count=0,
            points_balance=0,
            rewards_banked={},
            rewards_kept={},
            revision=1,
            changed_at=now,
            created_at=now,
        )
        for customer_id in customer_ids
    ]
    session.add_all(cards)
    await session.flush()  # subscribers point at these rows
    modules_on = (await get_merchant(session, merchant_id)).modules_on
    for card in cards:
        await CARD_JOINED.tell(
            CardJoined(
                session,
                merchant_id,
                pass_id=card.id,
                customer_id=card.customer_id,
                store_id=store.id,
                program_id=program_id,
                source=source,
                now=now,
                modules_on=modules_on,
            )
        )
    return cards
