"""Reads of rewards and of what a card can redeem."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import PassObject, reward_numbers
from app.modules.rewards.models import Redemption, Reward
from app.modules.rewards.rules import CardTotals, RewardView


def view_of(reward: Reward) -> RewardView:
    """Return the row as the rules and other modules know it."""
    return RewardView(
        id=reward.id,
        kind=reward.kind,
        threshold=reward.threshold,
        title=reward.title,
        active=reward.active,
        reward_kind=reward.reward_kind,
        text=reward.text,
        picture=reward.picture,
    )


def totals_of(card: PassObject) -> CardTotals:
    """Return the card's totals as the rules know them."""
    return CardTotals(
        card.stamp_count,
        card.points_balance,
        reward_numbers(card.rewards_banked),
        reward_numbers(card.rewards_kept),
    )


async def list_rewards(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> list[RewardView]:
    """Return all rewards of a programme, inactive ones too: a banked one may wait on a card."""
    rows = await session.scalars(
        select(Reward)
        .where(Reward.merchant_id == merchant_id, Reward.program_id == program_id)
        .order_by(Reward.kind.desc(), Reward.threshold, Reward.id)
    )
    return [view_of(row) for row in rows]


async def find_last_redemption(
    session: AsyncSession, merchant_id: UUID, *, pass_id: UUID, reward_id: UUID | None = None
) -> Redemption | None:
    """Return the newest redemption of the card (of one reward) that was not taken back."""
    query = select(Redemption).where(
        Redemption.merchant_id == merchant_id, Redemption.pass_id == pass_id, Redemption.voided_at.is_(None)
    )
    if reward_id is not None:
        query = query.where(Redemption.reward_id == reward_id)
    row: Redemption | None = await session.scalar(query.order_by(Redemption.id.desc()).limit(1))
    return row
