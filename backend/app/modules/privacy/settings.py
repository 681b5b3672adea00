"""What a merchant says about itself as controller, and how long it keeps inactive customers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings

NAME_LENGTH_MAX = 120
ADDRESS_LENGTH_MAX = 400
NOTE_LENGTH_MAX = 2_000


class PrivacySettings(ModuleSettings):
    """The controller's details and the retention of inactive customers."""

    section: ClassVar[str] = "privacy"
    controller_name: str = Field(
        default="", max_length=NAME_LENGTH_MAX, description="Who is responsible; empty: the business's name."
    )
    controller_address: str = Field(
        default="", max_length=ADDRESS_LENGTH_MAX, description="Postal address for the privacy notice."
    )
    contact_email: str = Field(
        default="", max_length=254, description="Where customers write about their data."
    )
    extra_note: str = Field(
        default="", max_length=NOTE_LENGTH_MAX, description="What else the notice should say, in your words."
    )
    inactive_months: int = Field(
        default=0, ge=0, le=120, description="Erase customers without a visit for so many months; 0: never."
    )
