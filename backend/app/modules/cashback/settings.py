"""What a merchant may set about cashback."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from app.kernel.settings import ModuleSettings
from app.modules.cashback.rules import RATE_BP_MAX

EXPIRY_MONTHS_MAX = 120
# In minor units: 100 euros, 10,000 yen, 10 dinars. Who needs more says so, which is in the audit log.
HAND_MAX_DEFAULT_MINOR, HAND_MAX_MOST_MINOR = 10_000, 100_000_000


class CashbackSettings(ModuleSettings):
    """How much comes back, how it is rounded, and how long it is good."""

    section: ClassVar[str] = "cashback"

    rate_bp: int = Field(
        default=300,
        ge=0,
        le=RATE_BP_MAX,
        description="Part of a purchase that comes back, in basis points: 250 is 2.5 %. 0 gives none.",
    )
    rounding: Literal["half_even", "half_up", "down", "up"] = Field(
        default="half_even", description="How the result is rounded to the smallest unit, once."
    )
    expiry_months: int = Field(
        default=12,
        ge=0,
        le=EXPIRY_MONTHS_MAX,
        description="Months for which credit is good, to the end of the day; 0 is for ever.",
    )
    hand_max_minor: int = Field(
        default=HAND_MAX_DEFAULT_MINOR,
        ge=1,
        le=HAND_MAX_MOST_MINOR,
        description="The most that may be given by hand in one entry, in minor units of the currency.",
    )
