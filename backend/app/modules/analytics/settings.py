"""What a merchant may tell the figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings


class AnalyticsSettings(ModuleSettings):
    """Settings of the figures."""

    section: ClassVar[str] = "analytics"
    reward_cost: Annotated[
        Decimal,
        Field(
            ge=0,
            le=100_000,
            max_digits=8,
            decimal_places=2,
            description="What one reward costs the shop on average; 0 hides what is open in money.",
        ),
    ] = Decimal(0)
