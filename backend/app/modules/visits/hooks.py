"""The extension points of earning. Guards and modifiers are pure: they see the loaded state and decide.

What a feature must know of the card or of the shop besides, it notes beforehand: as a trait of the card, or as its
rules beside the merchant. Both come with the one statement that loads the visit (docs/adr/0013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Chain, Tell, Veto
from app.kernel.money import to_minor
from app.modules.staff.public import StaffRef
from app.modules.visits.rules import EarnDraft, ExplanationLine, VisitPolicy, VisitRequest, VisitState


@dataclass(frozen=True, slots=True)
class EarnContext:
    """A visit about to be granted, as it was read under the card's lock."""

    merchant_id: UUID
    store_id: UUID
    pass_id: UUID
    customer_id: UUID
    staff: StaffRef
    source: str
    state: VisitState
    policy: VisitPolicy
    request: VisitRequest
    now: datetime
    modules_on: frozenset[str]
    currency: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)
    feature_rules: Mapping[str, Any] = field(default_factory=dict)

    def trait(self, feature: str) -> Mapping[str, Any]:
        """Return what the feature noted on this card (cards.public.set_trait)."""
        found: Mapping[str, Any] = self.traits.get(feature) or {}
        return found

    def rules_of(self, feature: str) -> Mapping[str, Any]:
        """Return what the feature noted of the shop (merchants.public.set_feature_rules)."""
        found: Mapping[str, Any] = self.feature_rules.get(feature) or {}
        return found

    @property
    def amount_minor(self) -> int | None:
        """Return the purchase in minor units; None for none, and for one that is refused as not of this currency."""
        if self.request.amount is None:
            return None
        try:
            return to_minor(self.request.amount, self.currency)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class EarnedContext:
    """A visit that was written, in the same transaction."""

    session: AsyncSession
    earn: EarnContext
    visit_id: UUID
    stamps_added: int
    points_added: int
    amount_minor: int | None
    currency: str
    lines: tuple[ExplanationLine, ...] = ()

    @property
    def modules_on(self) -> frozenset[str]:
        """Return what the merchant has switched on."""
        return self.earn.modules_on


EARN_GUARD: Veto[EarnContext] = Veto("EARN_GUARD", about="May refuse a visit before anything is given.")
EARN_MODIFIER: Chain[EarnContext, EarnDraft] = Chain(
    "EARN_MODIFIER",
    about="May add points to a visit, each with its line of explanation; rounding comes after.",
)
EARNED: Tell[EarnedContext] = Tell("EARNED", about="A visit was given.")
