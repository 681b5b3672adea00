"""What the designer's form sends, and what it means for the programme's design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.kernel.i18n import LANGUAGES, msg
from app.modules.design.cards.pictures import picture_url
from app.modules.stores.public import CARD_ICONS
from app.modules.wallets.public import PATTERNS, CardColors, card_text
from app.utils.validators import HexColor, clean_line, clean_text

TITLE_LENGTH_MAX = 60
ABOUT_LENGTH_MAX = 200
CONTACT_LENGTH_MAX = 300
TERMS_LENGTH_MAX = 500
# What of a card is written in each language, and how much of it.
TEXTS = {
    "title": TITLE_LENGTH_MAX,
    "about": ABOUT_LENGTH_MAX,
    "contact": CONTACT_LENGTH_MAX,
    "terms": TERMS_LENGTH_MAX,
}
COLOR_NAMES = ("background_color", "foreground_color", "accent_color")
OWN = "own"

# The pages show a palette's name capitalised and translated.
LOOK_NAMES = (msg("Forest"), msg("Plum"), msg("Night"), msg("Brick"), msg("Paper"))

Look = Literal["forest", "plum", "night", "brick", "paper", "own"]


def _icon(value: str) -> str:
    if value not in CARD_ICONS and not value.startswith("own-"):
        raise ValueError("a picture of the set or an own one")
    return value


def _ground(value: str) -> str:
    if value and value not in PATTERNS and not value.startswith("photo-"):
        raise ValueError("a pattern of the set or an own photo")
    return value


def _blank(value: Any) -> Any:
    return "" if isinstance(value, str) and not value.strip() else value


Title = Annotated[
    str,
    BeforeValidator(_blank),
    Field(max_length=TITLE_LENGTH_MAX),
    AfterValidator(lambda value: clean_line(value) if value else ""),
]
_lines = AfterValidator(lambda value: clean_text(value) if value else "")
About = Annotated[str, BeforeValidator(_blank), Field(max_length=ABOUT_LENGTH_MAX), _lines]
Contact = Annotated[str, BeforeValidator(_blank), Field(max_length=CONTACT_LENGTH_MAX), _lines]
Terms = Annotated[str, BeforeValidator(_blank), Field(max_length=TERMS_LENGTH_MAX), _lines]
Icon = Annotated[str, Field(max_length=80), AfterValidator(_icon)]
Ground = Annotated[str, Field(max_length=80), AfterValidator(_ground)]
Start = Annotated[float, Field(ge=0, le=99, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^([0-9a-f]{32})?$")]


class DesignForm(BaseModel):
    """The designer's form. look: a palette, or own colours. use: a suggestion taken over, as "field=#rrggbb"."""

    model_config = ConfigDict(extra="ignore")
    look: Look = "forest"
    background_color: HexColor = "#0b5c46"
    foreground_color: HexColor = "#ffffff"
    accent_color: HexColor = "#f2b632"
    icon: Icon = "coffee"
    ground: Ground = ""
    logo: Digest = ""
    title_en: Title = ""
    title_fr: Title = ""
    title_de: Title = ""
    title_lb: Title = ""
    about_en: About = ""
    about_fr: About = ""
    about_de: About = ""
    about_lb: About = ""
    contact_en: Contact = ""
    contact_fr: Contact = ""
    contact_de: Contact = ""
    contact_lb: Contact = ""
    terms_en: Terms = ""
    terms_fr: Terms = ""
    terms_de: Terms = ""
    terms_lb: Terms = ""
    use: Annotated[str, Field(pattern="^((foreground|accent)_color=#[0-9a-f]{6})?$")] = ""

    def to_design(self, merchant_id: UUID, *, locale: str) -> dict[str, Any]:
        """Return what changes of the design; None takes a key away. locale: the one whose title counts for all."""
        colors: dict[str, Any] = dict.fromkeys(COLOR_NAMES)
        if self.look == OWN:
            colors = {name: getattr(self, name).lower() for name in COLOR_NAMES}
        texts = {language: self._texts(language) for language in LANGUAGES}
        return {
            **colors,
            "palette": None if self.look == OWN else self.look,
            "icon": self.icon,
            "ground": self.ground or None,
            "logo_url": picture_url(merchant_id, self.logo) if self.logo else None,
            "title": getattr(self, f"title_{locale}") or None,
            "texts": {language: own for language, own in texts.items() if own} or None,
        }

    def _texts(self, language: str) -> dict[str, str]:
        texts = {name: getattr(self, f"{name}_{language}") for name in TEXTS}
        return {name: text for name, text in texts.items() if text}


def design_values(design: Mapping[str, Any], colors: CardColors, *, locale: str) -> dict[str, str]:
    """Return a design as the form shows it."""
    logo = str(design.get("logo_url") or "")
    values = {
        "look": colors.palette or OWN,
        "background_color": colors.background,
        "foreground_color": colors.foreground,
        "accent_color": colors.accent,
        "icon": str(design.get("icon") or "coffee"),
        "ground": colors.ground,
        "logo": logo.removesuffix(".png").rpartition("/")[2] if logo.startswith("/pictures/") else "",
    }
    texts = design.get("texts") or {}
    for language in LANGUAGES:
        own = texts.get(language) or {}
        for name in TEXTS:
            values[f"{name}_{language}"] = str(own.get(name) or "")
    values[f"title_{locale}"] = card_text(design, "title", locale)
    return values


class CropForm(BaseModel):
    """Which part of an uploaded picture is wanted, in percent."""

    model_config = ConfigDict(extra="ignore")
    crop_left: Start = 0
    crop_top: Start = 0
    crop_width: Share = 100
    crop_height: Share = 100
