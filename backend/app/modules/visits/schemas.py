"""What the award endpoints take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.modules.rewards.public import CardStateAnswer, CardText
from app.modules.visits.tenders import TENDERS_MAX
from app.utils.validators import Amount, Pin

STAMPS_ASKED_MAX = 100
TENDER_KEY = StringConstraints(pattern=r"^[a-z_]{1,30}$")
Tenders = Annotated[dict[Annotated[str, TENDER_KEY], Amount], Field(max_length=TENDERS_MAX)]


class StampRequest(BaseModel):
    """Give stamps. staff_pin is left out by integrations that come with an API key."""

    model_config = ConfigDict(extra="forbid")
    pass_id: CardText
    staff_pin: Pin | None = None
    quantity: Annotated[int, Field(strict=True, ge=1, le=STAMPS_ASKED_MAX)] = 1


class PointsRequest(BaseModel):
    """Give points for a purchase. amount: major units, at most the currency's decimals.

    tenders: parts of the amount that the card itself pays, in major units, by name ("credit").
    """

    model_config = ConfigDict(extra="forbid")
    pass_id: CardText
    amount: Amount
    staff_pin: Pin | None = None
    tenders: Tenders = Field(default_factory=dict)


class ExplanationItem(BaseModel):
    """One rule's part in the points."""

    rule: str = Field(examples=["rate"])
    points: str = Field(examples=["59.9"])
    detail: str = Field(examples=["1"])
    amount_minor: int = Field(default=0, description="Money it gave or took, in minor units")


class AwardAnswer(CardStateAnswer):
    """The visit and the state after it."""

    visit_id: UUID
    stamps_added: int
    stamps_left_over: int = Field(description="Asked for, and did not fit on the card or into the visit")
    points_added: int
    stamp_refused: str | None = Field(
        description="Why a purchase brought no stamp along", examples=["too_soon"]
    )
    given_by: str | None = Field(
        description="Name of the staff member or key; null for the store's shared PIN"
    )
    next_possible_at: datetime | None = Field(description="From when the next stamp is possible")
    explanation: list[ExplanationItem]
