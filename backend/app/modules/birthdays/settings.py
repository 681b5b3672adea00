"""What a merchant may set about birthdays."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from app.kernel.settings import ModuleSettings
from app.modules.birthdays.rules import DAYS_AROUND_MAX, FACTOR_MAX, REDEEM_DAYS_MAX, Window

POINTS_MAX, STAMPS_MAX, KNOWN_DAYS_MAX = 100_000, 20, 365
Choice = Annotated[UUID | None, BeforeValidator(lambda value: value or None)]


class BirthdaySettings(ModuleSettings):
    """What is given for a birthday, and in which days around it."""

    section: ClassVar[str] = "birthdays"

    kind: Literal["points", "stamps", "reward", "factor"] | None = Field(
        default=None, description="What is given; nothing until it is chosen."
    )
    points: int = Field(default=50, ge=1, le=POINTS_MAX, description="How many points.")
    stamps: int = Field(default=1, ge=1, le=STAMPS_MAX, description="How many stamps.")
    reward_id: Choice = Field(default=None, description="Which reward.")
    factor: Decimal = Field(
        default=Decimal(1),
        ge=1,
        le=FACTOR_MAX,
        decimal_places=2,
        description="How often points of purchases count in these days; 1 is as always.",
    )
    days_before: int = Field(
        default=0, ge=0, le=DAYS_AROUND_MAX, description="Days before the birthday from which on it is given."
    )
    days_after: int = Field(
        default=7,
        ge=0,
        le=DAYS_AROUND_MAX,
        description="Days after it on which it is still given, to who joins or tells the day late.",
    )
    redeem_days: int = Field(
        default=14, ge=0, le=REDEEM_DAYS_MAX, description="Days after the birthday a reward is good for."
    )
    known_days: int = Field(
        default=0, ge=0, le=KNOWN_DAYS_MAX, description="Only who has been a customer for so many days."
    )

    @property
    def window(self) -> Window:
        """Return the days as the rules know them."""
        return Window(self.days_before, self.days_after, self.redeem_days)

    @property
    def is_ready(self) -> bool:
        """Tell whether it is said what to give."""
        return self.kind is not None and (self.kind != "reward" or self.reward_id is not None)
