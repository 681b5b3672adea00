"""The look of a mail: plain text as it was written, and HTML in the merchant's name and colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from mjml import mjml2html
from sqlalchemy import column, select, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import use_language
from app.modules.messaging.hooks import Unsubscribe
from app.modules.messaging.rules import split_text
from app.modules.messaging.service import Mail

TEMPLATES = Path(__file__).parent / "templates"
PRODUCT_NAME = "Stempel"
PRODUCT_COLOR = "#0b5c46"
# The backgrounds of the palettes in static/css/card.css; a test compares them.
PALETTE_COLORS = {
    "forest": PRODUCT_COLOR,
    "plum": "#2b1733",
    "night": "#16243f",
    "brick": "#8c2f23",
    "paper": "#fbf8f1",
}
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")

# Read as a plain table: the merchants module sends its mails through this one, so it must not be needed here.
_MERCHANT = table("merchant", column("id"), column("name"), column("branding", JSONB))
_PROGRAM = table("program", column("id"), column("merchant_id"), column("design", JSONB))


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose mail it is. is_merchant is false for a sign-up, whose merchant is still to be."""

    name: str = PRODUCT_NAME
    color: str = PRODUCT_COLOR
    is_merchant: bool = False
    logo_url: str = ""

    @property
    def ink(self) -> str:
        """Return black or white, whichever reads better on the colour (WCAG relative luminance)."""
        channels = [int(self.color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return "#ffffff" if luminance < 0.179 else "#16130a"


def brand_of(name: str, branding: Mapping[str, Any]) -> Brand:
    """Return the look of a merchant; a colour that is none gives the product's."""
    wish = PALETTE_COLORS.get(str(branding.get("palette"))) or branding.get("background_color")
    is_color = isinstance(wish, str) and _HEX.fullmatch(wish) is not None
    return Brand(name, str(wish) if is_color else PRODUCT_COLOR, is_merchant=True)


async def find_brand(session: AsyncSession, merchant_id: UUID) -> Brand:
    """Return the merchant's look with its cards' logo, or the product's where there is no merchant yet."""
    logo = (
        select(_PROGRAM.c.design["logo_url"].as_string())
        .where(_PROGRAM.c.merchant_id == merchant_id, _PROGRAM.c.design["logo_url"].as_string() != "")
        .order_by(_PROGRAM.c.id)
        .limit(1)
        .scalar_subquery()
    )
    statement = select(_MERCHANT.c.name, _MERCHANT.c.branding, logo.label("logo"))
    row = (await session.execute(statement.where(_MERCHANT.c.id == merchant_id))).one_or_none()
    if row is None:
        return Brand()
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    return replace(brand_of(row.name, row.branding or {}), logo_url=own_address(row.logo or "", base=base))


def own_address(url: str, *, base: str) -> str:
    """Return the whole address of a picture of this installation; a foreign one would count who reads."""
    if url.startswith("/") and not url.startswith("//"):
        return base + url
    return url if url.startswith(base + "/") else ""


def without_controls(value: object) -> object:
    """Take out of a text what XML cannot hold: control characters, surrogates, the last two code points of a plane."""
    return _NO_XML.sub("", value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=without_controls,
    )
    return environment


def render_html(mail: Mail, brand: Brand, *, locale: str, unsubscribe: Unsubscribe | None = None) -> str:
    """Return the HTML part of a mail in the reader's language, made from MJML so that every reader shows it well."""
    if mail.html is not None:
        return mail.html
    with use_language(locale) as translator:
        footer = translator.gettext("Stempel: loyalty cards for shops.")
        if brand.is_merchant:
            footer = translator.gettext("Sent by %(name)s with Stempel.", name=brand.name)
        why = translator.gettext(
            "You receive this because you agreed to news from %(name)s.", name=brand.name
        )
        source = (
            _environment()
            .get_template("messaging/mail.mjml")
            .render(
                mail=mail,
                brand=brand,
                locale=translator.language,
                paragraphs=split_text(mail.text),
                action_label=mail.action_label or translator.gettext("Open the link"),
                copy_hint=translator.gettext(
                    "If the button does not work, copy this address into your browser:"
                ),
                footer=footer,
                why=why,
                unsubscribe=unsubscribe.page if unsubscribe else "",
                unsubscribe_label=translator.gettext("Unsubscribe"),
            )
        )
    return mjml2html(source, disable_comments=True)
