"""The extension points of rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Collect, Keyed, Tell
from app.kernel.outcomes import Refusal
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
    """A visit or a redemption that was taken back, in the same transaction.

    stamps, points: what moved, signed. Of a visit besides: amount_minor and lines, its explanation as it was stored,
    by which a feature knows what it gave and takes it back. forced: a manager insisted.
    """

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    visit_id: UUID | None
    redemption_id: UUID | None
    stamps: int
    points: int
    now: datetime
    modules_on: frozenset[str]
    store_id: UUID | None = None
    customer_id: UUID | None = None
    amount_minor: int | None = None
    currency: str = ""
    lines: Sequence[Mapping[str, Any]] = ()
    forced: bool = False


@dataclass(frozen=True, slots=True)
class VoidingContext:
    """A visit that somebody asks to take back; its card is locked and nothing has moved yet.

    lines: the visit's explanation, as it was stored. forced: a manager insists although something is spent already.
    """

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    visit_id: UUID
    lines: Sequence[Mapping[str, Any]]
    now: datetime
    modules_on: frozenset[str]
    forced: bool = False


# Asked before anything moves, with the session; the first refusal is the answer. Say already_spent only unless forced.
VOID_REFUSAL: Collect[VoidingContext, Refusal] = Collect(
    "VOID_REFUSAL", about="Why a visit cannot be taken back: what a feature gave for it is spent already."
)
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


@dataclass(frozen=True, slots=True)
class TenderSpending:
    """A part of a purchase to be paid from a card, whose row is locked, in the visit's transaction."""

    session: AsyncSession
    merchant_id: UUID
    store_id: UUID
    pass_id: UUID
    visit_id: UUID
    staff_id: UUID | None
    amount_minor: int
    currency: str
    now: datetime


class Tender(Protocol):
    """A way to pay a part at the till with what a card holds (store credit, a gift card).

    feature: the module that offers it, which the merchant may switch off. title: a msg() text. What was spent for a
    visit comes back when the visit does: subscribe to VOIDED.
    """

    feature: str
    title: str

    async def available(
        self, session: AsyncSession, *, merchant_id: UUID, pass_id: UUID, now: datetime
    ) -> int:
        """Return what the card could pay now, in minor units; the card is locked where that decides something."""
        ...

    async def spend(self, spending: TenderSpending) -> None:
        """Take the amount, which is no more than `available` has just said."""
        ...


REWARD_KIND: Keyed[RewardKind] = Keyed("REWARD_KIND", about="What is handed out when a reward is redeemed.")
TENDER: Keyed[Tender] = Keyed("TENDER", about="Ways to pay at the till with what a card holds.")
