"""Locking a card and moving its totals outside the hot path: redemptions, voids, expiry, merges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.modules.cards.models import PassObject


async def lock_card(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> PassObject:
    """Return the card's row, locked until the transaction ends and freshly read; raises NotFound."""
    card = await session.scalar(
        select(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if card is None:
        raise NotFound("card")
    return card


async def lock_card_now(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> PassObject:
    """Return the row of the card that this one is today, locked: itself, or the card it was joined to."""
    card = await lock_card(session, merchant_id, pass_id)
    while card.status == "merged" and card.merged_into is not None:
        card = await lock_card(session, merchant_id, card.merged_into)
    return card


async def get_card_row(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> PassObject:
    """Return the card's row as it stands, without a lock; raises NotFound."""
    card = await session.scalar(
        select(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
        .execution_options(populate_existing=True)
    )
    if card is None:
        raise NotFound("card")
    return card


async def lock_cards(session: AsyncSession, merchant_id: UUID, pass_ids: Iterable[UUID]) -> list[PassObject]:
    """Return several cards locked in id order, so that two callers never wait for each other in a ring."""
    cards = await session.scalars(
        select(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.id.in_(list(pass_ids)))
        .order_by(PassObject.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(cards)


def raise_revision(card: PassObject, *, now: datetime) -> None:
    """Note a visible change: the revision rises, and Last-Modified rises by a whole second at least.

    HTTP dates count seconds: two changes within one second must not end in "not modified".
    """
    card.revision += 1
    earliest = card.changed_at.replace(microsecond=0) + timedelta(seconds=1)
    card.changed_at = max(now, earliest)


def reward_numbers(values: Mapping[str, object]) -> dict[UUID, int]:
    """Return a rewards_banked or rewards_kept column with real ids."""
    return {UUID(key): int(str(number)) for key, number in values.items()}
