"""Reads of rewards and of what a card can redeem."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current
from app.kernel.own_words import own_words
from app.modules.cards.public import PassObject, reward_numbers
from app.modules.rewards.models import Redemption, Reward
from app.modules.rewards.rules import CardTotals, RewardView


def title_in(reward: Reward, language: str) -> str:
    """Return what a reward is called in a language."""
    return own_words(reward.texts, "title", language) or reward.title


def view_of(reward: Reward, language: str) -> RewardView:
    """Return the row as the rules and other modules know it, in a language."""
    return RewardView(
        id=reward.id,
        kind=reward.kind,
        threshold=reward.threshold,
        title=title_in(reward, language),
        active=reward.active,
        reward_kind=reward.reward_kind,
        text=own_words(reward.texts, "text", language) or reward.text,
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


async def list_rewards(
    session: AsyncSession, merchant_id: UUID, program_id: UUID, *, language: str | None = None
) -> list[RewardView]:
    """Return all rewards of a programme, inactive ones too: a banked one may wait on a card.

    language: of the titles; the reader's where none is named.
    """
    spoken = language or current().language
    rows = await session.scalars(
        select(Reward)
        .where(Reward.merchant_id == merchant_id, Reward.program_id == program_id)
        .order_by(Reward.kind.desc(), Reward.threshold, Reward.id)
    )
    return [view_of(row, spoken) for row in rows]


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
