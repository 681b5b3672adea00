"""What a merchant may set about friends brought along."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.kernel.settings import ModuleSettings
from app.modules.referrals.rules import Gift, Promise

POINTS_MAX, STAMPS_MAX = 100_000, 50


class ReferralSettings(ModuleSettings):
    """What both get, after which visit, and how often."""

    section: ClassVar[str] = "referrals"

    inviter_points: int = Field(
        default=0, ge=0, le=POINTS_MAX, description="Points for who brought a friend."
    )
    inviter_stamps: int = Field(
        default=1, ge=0, le=STAMPS_MAX, description="Stamps for who brought a friend."
    )
    inviter_reward: UUID | None = Field(default=None, description="Reward for who brought a friend.")
    friend_points: int = Field(default=0, ge=0, le=POINTS_MAX, description="Points for the friend.")
    friend_stamps: int = Field(default=1, ge=0, le=STAMPS_MAX, description="Stamps for the friend.")
    friend_reward: UUID | None = Field(default=None, description="Reward for the friend.")
    visits_needed: int = Field(
        default=1, ge=1, le=20, description="After which paid visit of the friend both get their gift."
    )
    month_max: int = Field(
        default=5, ge=1, le=1_000, description="For how many friends a month somebody gets the gift."
    )
    total_max: int = Field(
        default=50, ge=1, le=100_000, description="For how many friends in all somebody gets the gift."
    )

    def promise(self) -> Promise:
        """Return what both are promised now."""
        return Promise(
            Gift(self.inviter_points, self.inviter_stamps, self.inviter_reward),
            Gift(self.friend_points, self.friend_stamps, self.friend_reward),
        )
