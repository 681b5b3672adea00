"""The state of a card as every answer tells it (product.md 9): built in one place from the pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.modules.rewards.rules import (
    CardTotals,
    RewardState,
    RewardView,
    describe_rewards,
    is_unlocked,
    next_reward,
)


def state_answer(
    pass_id: UUID, totals: CardTotals, rewards: Sequence[RewardView], *, stamps_needed: int
) -> dict[str, Any]:
    """Return the JSON-ready state of a card: ids, numbers and the programme's texts, never a person's name."""
    states = describe_rewards(totals, rewards)
    ahead = next_reward(states)
    return {
        "pass_id": str(pass_id),
        "stamp_count": totals.stamp_count,
        "stamps_needed": stamps_needed,
        "points_balance": totals.points_balance,
        "reward_unlocked": is_unlocked(totals, rewards),
        "rewards": [_reward_item(state) for state in states],
        "next_reward": _next_item(ahead) if ahead else None,
    }


def _reward_item(state: RewardState) -> dict[str, Any]:
    return {
        "id": str(state.reward.id),
        "kind": state.reward.kind,
        "threshold": state.reward.threshold,
        "title": state.reward.title,
        "ready": state.ready,
        "waiting": state.waiting,
        "missing": state.missing,
    }


def _next_item(state: RewardState) -> dict[str, Any]:
    return {
        "id": str(state.reward.id),
        "kind": state.reward.kind,
        "title": state.reward.title,
        "threshold": state.reward.threshold,
        "missing": state.missing,
    }
