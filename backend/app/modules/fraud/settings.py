"""What a merchant may change about the rules."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings


class FraudSettings(ModuleSettings):
    """From how many visits on something is shown; 0 switches a rule off."""

    section: ClassVar[str] = "fraud"

    staff_visits: int = Field(
        30, ge=0, le=1_000, description="Most visits one person gives in staff_minutes."
    )
    staff_minutes: int = Field(15, ge=1, le=240, description="The stretch for staff_visits.")
    card_visits: int = Field(4, ge=0, le=100, description="Most visits of one card in card_hours.")
    card_hours: int = Field(3, ge=1, le=72, description="The stretch for card_visits.")
    pair_visits: int = Field(
        8, ge=0, le=200, description="Most visits one person gives one card in pair_days."
    )
    pair_days: int = Field(7, ge=1, le=31, description="The stretch for pair_visits.")
    closed_minutes: int = Field(
        30,
        ge=-1,
        le=240,
        description="Minutes before opening and after closing that are normal; -1: rule off.",
    )
    days_kept: int = Field(
        365, ge=30, le=1_825, description="Days after its last visit a finding is deleted, decided on or not."
    )
    alert_mails: bool = Field(default=True, description="A mail on unusual speed, at most one an hour.")
