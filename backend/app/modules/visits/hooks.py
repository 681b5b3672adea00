"""The extension points of earning. Guards and modifiers are pure: they see the loaded state and decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Chain, Tell, Veto
from app.modules.staff.public import StaffRef
from app.modules.visits.rules import EarnDraft, VisitPolicy, VisitRequest, VisitState


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
