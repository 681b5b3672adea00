"""What is unlocked on a card, how far the next reward is, and what a redemption takes: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from app.kernel.outcomes import Refusal

VOID_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class RewardView:
    """A reward of the card's programme."""

    id: UUID
    kind: str
    threshold: int
    title: str
    active: bool = True
    reward_kind: str = "free_item"
    text: str | None = None
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class CardTotals:
    """The card's balances. banked: {reward id: waiting}; kept: {reward id: threshold before it was raised}."""

    stamp_count: int
    points_balance: int
    banked: Mapping[UUID, int] = field(default_factory=dict)
    kept: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RewardState:
    """A reward as the card sees it. waiting: how many could be redeemed now; missing: stamps or points to go."""

    reward: RewardView
    ready: bool
    waiting: int
    missing: int


@dataclass(frozen=True, slots=True)
class RedemptionGranted:
    """What pays: "banked" (a full card set aside), "kept" (unlocked before a raise) or "balance"."""

    pays: str
    cost: int


def balance_of(totals: CardTotals, kind: str) -> int:
    """Return the balance that pays for rewards of this kind."""
    return totals.stamp_count if kind == "stamps" else totals.points_balance


def describe_reward(totals: CardTotals, reward: RewardView) -> RewardState:
    """Return how the card stands to the reward."""
    banked = totals.banked.get(reward.id, 0)
    threshold = min(reward.threshold, totals.kept.get(reward.id, reward.threshold))
    balance = max(0, balance_of(totals, reward.kind))
    waiting = banked + balance // threshold if reward.active else banked
    return RewardState(reward, waiting > 0, waiting, max(0, threshold - balance))


def describe_rewards(totals: CardTotals, rewards: Sequence[RewardView]) -> list[RewardState]:
    """Return the active rewards and those that wait although they are no longer offered, stamps first."""
    states = [describe_reward(totals, reward) for reward in rewards]
    return sorted(
        (state for state in states if state.reward.active or state.waiting),
        key=lambda state: (state.reward.kind != "stamps", state.reward.threshold, state.reward.title),
    )


def is_unlocked(totals: CardTotals, rewards: Sequence[RewardView]) -> bool:
    """Tell whether any reward could be redeemed now."""
    return any(describe_reward(totals, reward).ready for reward in rewards)


def next_reward(states: Sequence[RewardState]) -> RewardState | None:
    """Return the reward that is not reached yet and is closest, by share of its threshold."""
    ahead = [state for state in states if state.reward.active and state.missing > 0]
    return min(ahead, key=lambda state: (state.missing / state.reward.threshold, state.missing), default=None)


def decide_redemption(totals: CardTotals, reward: RewardView) -> RedemptionGranted | Refusal:
    """Decide what pays for the reward: a banked one first, then the balance at the threshold (or the kept one).

    Refusals: reward_inactive, not_enough (with how much is missing).
    """
    if totals.banked.get(reward.id, 0) > 0:
        return RedemptionGranted("banked", 0)
    if not reward.active:
        return Refusal("reward_inactive")
    balance = balance_of(totals, reward.kind)
    if balance >= reward.threshold:
        return RedemptionGranted("balance", reward.threshold)
    kept = totals.kept.get(reward.id)
    if kept is not None and balance >= kept:
        return RedemptionGranted("kept", kept)
    missing = min(reward.threshold, kept or reward.threshold) - balance
    return Refusal("not_enough", extra={"missing": missing})


def kept_after(totals: CardTotals) -> dict[UUID, int]:
    """Return the kept thresholds that the stamps still reach; what was used up is forgotten."""
    return {
        reward_id: threshold
        for reward_id, threshold in totals.kept.items()
        if totals.stamp_count >= threshold
    }


def decide_void(
    *, happened_at: datetime, voided: bool, is_last: bool, by_manager: bool, now: datetime
) -> Refusal | None:
    """Decide whether something may be taken back: staff the last thing for 15 minutes, managers always.

    Refusals: already_voided, void_too_late, manager_required.
    """
    if voided:
        return Refusal("already_voided")
    if by_manager:
        return None
    if now > happened_at + VOID_WINDOW:
        return Refusal("void_too_late")
    if not is_last:
        return Refusal("manager_required")
    return None
