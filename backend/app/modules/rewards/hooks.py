"""The extension points of rewards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Keyed, Tell
from app.modules.rewards.rules import RewardView


@dataclass(frozen=True, slots=True)
class RedeemedContext:
    """A reward that was given out, in the same transaction."""

    session: AsyncSession
    merchant_id: UUID
    store_id: UUID
    pass_id: UUID
    customer_id: UUID
    redemption_id: UUID
    reward: RewardView
    cost: int
    now: datetime
    modules_on: frozenset[str]


@dataclass(frozen=True, slots=True)
class VoidedContext:
    """A visit or a redemption that was taken back, in the same transaction."""

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    visit_id: UUID | None
    redemption_id: UUID | None
    stamps: int
    points: int
    now: datetime
    modules_on: frozenset[str]


REDEEMED: Tell[RedeemedContext] = Tell("REDEEMED", about="A reward was given out.")
VOIDED: Tell[VoidedContext] = Tell("VOIDED", about="A visit or a redemption was taken back.")


class RewardKind(Protocol):
    """What is handed out when a reward is redeemed: an item over the counter, a coupon, a gift card…"""

    title: str

    async def hand_out(self, context: RedeemedContext) -> Mapping[str, Any]:
        """Do what the kind needs in the same transaction; return public facts for the answer."""
        ...


class FreeItem:
    """Something handed over the counter: nothing to issue."""

    title = "Free item"

    async def hand_out(self, context: RedeemedContext) -> Mapping[str, Any]:
        """Return no further facts."""
        return {}


class Tender(Protocol):
    """A way to pay a part at the till (store credit, a gift card)."""

    title: str

    async def spend(
        self, session: AsyncSession, *, merchant_id: UUID, pass_id: UUID, amount_minor: int
    ) -> int:
        """Take up to the amount; return what was taken, in minor units."""
        ...


REWARD_KIND: Keyed[RewardKind] = Keyed("REWARD_KIND", about="What is handed out when a reward is redeemed.")
TENDER: Keyed[Tender] = Keyed("TENDER", about="Ways to pay at the till with what a card holds.")
