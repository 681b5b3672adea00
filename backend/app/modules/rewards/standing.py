"""After a card's totals moved: what is unlocked, what was kept, and who must be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import PassObject, raise_revision
from app.modules.rewards.queries import totals_of
from app.modules.rewards.rules import RewardView, is_unlocked, kept_after
from app.modules.wallets.public import mark_changed


async def settle_card(
    session: AsyncSession, card: PassObject, rewards: Sequence[RewardView], *, now: datetime
) -> None:
    """Recompute the locked card's unlocks, raise its revision and mark its outputs for a refresh."""
    kept = kept_after(totals_of(card))
    card.rewards_kept = {str(reward_id): threshold for reward_id, threshold in kept.items()}
    card.reward_unlocked = is_unlocked(totals_of(card), rewards)
    raise_revision(card, now=now)
    await mark_changed(session, card.merchant_id, card.id)
    await session.flush()  # the answer is read from the row by plain queries of this transaction
