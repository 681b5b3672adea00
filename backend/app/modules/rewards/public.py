"""What other modules use of rewards: redeeming, taking back, and what a card has unlocked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import get_card_row
from app.modules.rewards.config import change_reward, list_program_rewards
from app.modules.rewards.gifts import (
    GIFT_REASON,
    GiftGiven,
    GiftOrder,
    find_gift,
    give_gift,
    take_gift_back,
)
from app.modules.rewards.giver import giver_of, read_void, recognise_giver
from app.modules.rewards.hooks import (
    REDEEMED,
    REWARD_KIND,
    TENDER,
    VOID_REFUSAL,
    VOIDED,
    RedeemedContext,
    RewardKind,
    Tender,
    TenderSpending,
    VoidedContext,
    VoidingContext,
)
from app.modules.rewards.models import Gift, Redemption, Reward
from app.modules.rewards.presenting import PIN_ERRORS, present_redemption, present_void
from app.modules.rewards.queries import list_rewards, title_in, totals_of
from app.modules.rewards.rules import (
    VOID_WINDOW,
    CardTotals,
    RewardState,
    RewardView,
    decide_void,
    describe_rewards,
    is_unlocked,
    next_reward,
)
from app.modules.rewards.schemas import CardStateAnswer, CardText, RedeemAnswer, VoidAnswer, VoidRequest
from app.modules.rewards.service import RedeemCommand, RedeemGranted, redeem_reward
from app.modules.rewards.standing import settle_card
from app.modules.rewards.state import state_answer
from app.modules.rewards.undo import (
    VoidCommand,
    VoidGranted,
    VoidWork,
    is_manager,
    void_once,
    void_redemption,
)
from app.modules.stores.public import get_program


async def card_state(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> dict[str, Any]:
    """Return the state of a card as product.md 9 tells it, JSON-ready; raises NotFound."""
    card = await get_card_row(session, merchant_id, pass_id)
    rewards = await list_rewards(session, merchant_id, card.program_id)
    program = await get_program(session, merchant_id, card.program_id)
    state = state_answer(card.id, totals_of(card), rewards, stamps_needed=program.stamps_needed)
    return state | {"status": card.status, "card_number": card.card_number, "revision": card.revision}


async def rewards_state(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> list[RewardState]:
    """Return how the card stands to each reward of its programme; raises NotFound."""
    card = await get_card_row(session, merchant_id, pass_id)
    return describe_rewards(totals_of(card), await list_rewards(session, merchant_id, card.program_id))


__all__ = [
    "GIFT_REASON",
    "PIN_ERRORS",
    "REDEEMED",
    "REWARD_KIND",
    "TENDER",
    "VOIDED",
    "VOID_REFUSAL",
    "VOID_WINDOW",
    "CardStateAnswer",
    "CardText",
    "CardTotals",
    "Gift",
    "GiftGiven",
    "GiftOrder",
    "RedeemAnswer",
    "RedeemCommand",
    "RedeemGranted",
    "RedeemedContext",
    "Redemption",
    "Reward",
    "RewardKind",
    "RewardState",
    "RewardView",
    "Tender",
    "TenderSpending",
    "VoidAnswer",
    "VoidCommand",
    "VoidGranted",
    "VoidRequest",
    "VoidWork",
    "VoidedContext",
    "VoidingContext",
    "card_state",
    "change_reward",
    "decide_void",
    "describe_rewards",
    "find_gift",
    "give_gift",
    "giver_of",
    "void_once",
    "is_manager",
    "is_unlocked",
    "list_program_rewards",
    "list_rewards",
    "next_reward",
    "present_redemption",
    "present_void",
    "read_void",
    "recognise_giver",
    "redeem_reward",
    "rewards_state",
    "settle_card",
    "state_answer",
    "take_gift_back",
    "title_in",
    "totals_of",
    "void_redemption",
]
