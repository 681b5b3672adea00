"""What a merchant may set about levels."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from app.kernel.settings import ModuleSettings
from app.modules.tiers.rules import Scheme


class TierSettings(ModuleSettings):
    """By what levels are reached, and how they are lost."""

    section: ClassVar[str] = "tiers"

    basis: Literal["points", "spend", "visits"] = Field(
        default="spend", description="What counts: points earned at the till, money spent there, or visits."
    )
    window: Literal["calendar_year", "rolling", "since_joining"] = Field(
        default="calendar_year", description="In which time it counts."
    )
    days: int = Field(default=365, ge=7, le=730, description="Length of the rolling window, in days.")
    grace_days: int = Field(
        default=0, ge=0, le=366, description="Days after the period in which it can still be saved."
    )
    downgrade: Literal["earned", "one_step"] = Field(
        default="earned", description="Down to what was earned, or one level at most."
    )
    started_at: datetime | None = Field(
        default=None, description="Since when cards have levels; set by the first level."
    )

    def scheme(self) -> Scheme:
        """Return it as the rules know it."""
        return Scheme(self.window, self.days, self.grace_days, self.downgrade)
