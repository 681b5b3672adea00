"""What the device's own endpoints take and answer."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.modules.rewards.public import CardText
from app.modules.visits.public import Tenders
from app.utils.validators import Amount, OptionalLine

STAMPS_ASKED_MAX = 100


class DeviceVisitRequest(BaseModel):
    """Give a visit from the device: stamps, or points for an amount. No PIN: the shift says who gives."""

    model_config = ConfigDict(extra="forbid")
    pass_id: CardText
    quantity: Annotated[int, Field(strict=True, ge=0, le=STAMPS_ASKED_MAX)] = 1
    amount: Amount | None = None
    tenders: Tenders = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something(self) -> DeviceVisitRequest:
        if self.quantity == 0 and self.amount is None:
            raise ValueError("ask for stamps or give an amount")
        return self


class DeviceRedeemRequest(BaseModel):
    """Give a reward out from the device."""

    model_config = ConfigDict(extra="forbid")
    pass_id: CardText
    reward_id: UUID


class DeviceVoidRequest(BaseModel):
    """Take something back from the device."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["visit", "redemption"]
    target_id: UUID
    reason: OptionalLine = None


class DeviceCardRequest(BaseModel):
    """Start a card for a customer."""

    model_config = ConfigDict(extra="forbid")
    name: OptionalLine = None


class DeviceCardAnswer(BaseModel):
    """A card to be handed over by its link, as a QR code, or by its printed number."""

    pass_id: UUID
    card_number: str
    card_url: str
