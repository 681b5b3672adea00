"""JSON in and out of the business itself."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.utils.validators import Currency, HexColor, Locale, Name, TimeZone


class Strict(BaseModel):
    """A body in which an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class Branding(Strict):
    """The colours of a business."""

    palette: Literal["forest", "plum", "night", "brick", "paper"] | None = None
    background_color: HexColor | None = None
    foreground_color: HexColor | None = None
    accent_color: HexColor | None = None


class MerchantChanges(Strict):
    """What a business may change about itself; fields left out stay."""

    name: Name | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    currency: Currency | None = None
    branding: Branding | None = None

    def to_changes(self) -> dict[str, Any]:
        """Return the columns to change; a field sent as null stays as it is."""
        return {name: value for name, value in self.model_dump(exclude_none=True).items()}


class MerchantDetails(BaseModel):
    """A business as its members see it."""

    id: UUID
    name: str
    slug: str
    locale: str
    time_zone: str
    currency: str
    branding: dict[str, str]
