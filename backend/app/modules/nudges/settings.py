"""What a merchant may set about messages."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings


class NudgeSettings(ModuleSettings):
    """Which messages go by themselves, and when none does."""

    section: ClassVar[str] = "nudges"

    reward_ready: bool = Field(default=True, description="Write when a reward is ready.")
    one_away: bool = Field(default=True, description="Write when one stamp is missing.")
    birthday: bool = Field(default=True, description="Write on birthdays.")
    points_expiring: bool = Field(default=True, description="Write 14 days before points expire.")
    quiet_from: time = Field(time(20, 0), description="From then on nothing is sent, by the shop's clock.")
    quiet_to: time = Field(
        time(9, 0), description="Until then nothing is sent; the same as quiet_from: always."
    )

    def is_on(self, kind: str) -> bool:
        """Tell whether a kind of message is sent."""
        return bool(getattr(self, kind))
