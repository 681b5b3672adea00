"""What the settings page offers to choose."""

from __future__ import annotations

from typing import Any, Literal

from app.kernel.i18n import msg
from app.modules.merchants.schemas import Strict
from app.utils.validators import Currency, HexColor, Locale, Name, TimeZone

CURRENCIES = ("CHF", "CZK", "DKK", "EUR", "GBP", "HUF", "NOK", "PLN", "RON", "SEK", "USD")
PALETTE_NAMES = (
    ("forest", msg("Forest")),
    ("plum", msg("Plum")),
    ("night", msg("Night")),
    ("brick", msg("Brick")),
    ("paper", msg("Paper")),
    ("own", msg("My own colours")),
)
COLOR_DEFAULTS = {"background_color": "#0b5c46", "accent_color": "#f2b632"}


class SettingsForm(Strict):
    """The settings page's form; the two colours count when the palette is the business's own."""

    name: Name
    locale: Locale
    time_zone: TimeZone
    currency: Currency
    palette: Literal["forest", "plum", "night", "brick", "paper", "own"]
    background_color: HexColor = COLOR_DEFAULTS["background_color"]
    accent_color: HexColor = COLOR_DEFAULTS["accent_color"]

    def to_changes(self) -> dict[str, Any]:
        """Return the columns to change."""
        changes = {name: getattr(self, name) for name in ("name", "locale", "time_zone", "currency")}
        if self.palette == "own":
            colors = {"background_color": self.background_color, "accent_color": self.accent_color}
            return {**changes, "branding": colors}
        return {**changes, "branding": {"palette": self.palette}}
