"""What a merchant may set about messages."""

from __future__ import annotations

from datetime import datetime, time
from typing import ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings
from app.modules.nudges.rules import quiet_until


class NudgeSettings(ModuleSettings):
    """Which messages go, by themselves or as news, and when none does."""

    section: ClassVar[str] = "nudges"

    reward_ready: bool = Field(default=True, description="Write when a reward is ready.")
    one_away: bool = Field(default=True, description="Write when one stamp is missing.")
    birthday: bool = Field(default=True, description="Write on birthdays.")
    points_expiring: bool = Field(default=True, description="Write 14 days before points expire.")
    promotion: bool = Field(default=True, description="Let promotions be written and sent.")
    new_collection: bool = Field(default=True, description="Let new collections be announced.")
    quiet_from: time = Field(
        time(20, 0), description="From then on nothing is sent, by the clock of the customer's store."
    )
    quiet_to: time = Field(
        time(9, 0), description="Until then nothing is sent; the same as quiet_from: always."
    )

    def quiet_until(self, now: datetime, *, zone: str) -> datetime | None:
        """Return when the quiet hours at hand end by the clock of a zone, or None outside of them."""
        return quiet_until(now, zone=zone, begin=self.quiet_from, end=self.quiet_to)

    def is_on(self, kind: str) -> bool:
        """Tell whether a kind of message is sent."""
        return bool(getattr(self, kind))
