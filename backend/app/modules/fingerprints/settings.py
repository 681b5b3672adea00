"""What a merchant may change about device fingerprints."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from app.kernel.settings import ModuleSettings


class FingerprintSettings(ModuleSettings):
    """How long hashes are kept, and from how many cards on one phone is shown."""

    section: ClassVar[str] = "fingerprints"

    days_kept: int = Field(30, ge=1, le=90, description="Days after which a hash is deleted.")
    cards_max: int = Field(
        3, ge=1, le=50, description="More cards than this on one phone in a day are shown."
    )
