"""What the reward endpoints take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from app.utils.validators import Line, Pin

CardText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="Pass id or card number", examples=["7K3QF0M2XW9P"]),
]


class RewardItem(BaseModel):
    """A reward as the card stands to it."""

    id: UUID
    kind: str = Field(examples=["stamps"])
    threshold: int = Field(examples=[10])
    title: str = Field(examples=["A coffee on the house"])
    ready: bool
    waiting: int = Field(description="How many could be redeemed now")
    missing: int = Field(description="Stamps or points still to go")


class NextReward(BaseModel):
    """The closest reward that is not reached yet."""

    id: UUID
    kind: str
    title: str
    threshold: int
    missing: int


class CardStateAnswer(BaseModel):
    """The state of a card after what was asked."""

    pass_id: UUID
    stamp_count: int = Field(examples=[7])
    stamps_needed: int = Field(examples=[10])
    points_balance: int = Field(examples=[160])
    reward_unlocked: bool
    rewards: list[RewardItem]
    next_reward: NextReward | None


class RedeemRequest(BaseModel):
    """Give a reward out. staff_pin is left out by integrations that come with an API key."""

    model_config = ConfigDict(extra="forbid")
    pass_id: CardText
    reward_id: UUID
    staff_pin: Pin | None = None


class GivenReward(BaseModel):
    """The reward that was given out."""

    id: UUID
    kind: str
    threshold: int
    title: str


class RedeemAnswer(CardStateAnswer):
    """The redemption and the state after it."""

    redemption_id: UUID
    reward: GivenReward
    cost: int = Field(description="Stamps or points taken; 0 for a reward that was banked")
    redeemed_at: datetime
    given_by: str | None = Field(
        description="Name of the staff member or key; null for the store's shared PIN"
    )
    handed_out: dict[str, Any] = {}


class VoidRequest(BaseModel):
    """Take a visit or a redemption back. force: a manager takes back what was spent already."""

    model_config = ConfigDict(extra="forbid")
    store_id: UUID
    staff_pin: Pin | None = None
    reason: Annotated[Line, StringConstraints(min_length=1)]
    force: StrictBool = False


class VoidAnswer(CardStateAnswer):
    """The state after something was taken back."""

    voided: bool
    visit_id: UUID | None = None
    redemption_id: UUID | None = None
