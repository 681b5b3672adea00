"""The preview: one made-up card, as the web card, as Apple Wallet and as Google Wallet show it, front and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current, msg, translator
from app.kernel.i18n import gettext as _
from app.modules.design.rules import SHAPE_RATIO_MIN, TEXT_RATIO_MIN, contrast, nearest_passing
from app.modules.qr.public import qr_svg
from app.modules.stores.public import StoreView
from app.modules.wallets.public import CardColors, CardView, PassField, sample_card

SAMPLE_HOLDER = msg("Alex Example")
FRONT = ("header", "primary", "secondary", "auxiliary")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well two colours can be told apart. better: a colour that passes, where this one does not."""

    title: str
    field: str
    ratio: str
    least: str
    passes: bool
    better: str


@dataclass(frozen=True, slots=True)
class CardPicture:
    """The web card's picture: what the component stamp_card reads. program_id names the class with the colours.

    program_name, store_name: the two lines that head it.
    """

    view: CardView
    program_id: str
    program_name: str
    store_name: str

    def __getattr__(self, name: str) -> Any:
        """Return the card's own value for everything else."""
        return getattr(self.view, name)


async def preview_of(
    session: AsyncSession, store: StoreView, *, design: Mapping[str, Any], locale: str, now: datetime
) -> dict[str, Any]:
    """Return what the preview's template shows, in one of the four languages."""
    program = replace(store.program, design=design)
    holder = translator(locale).gettext(SAMPLE_HOLDER)
    card = await sample_card(session, program, locale=locale, now=now, holder=holder)
    view = card.view
    colors = view.colors
    look = "-".join(color.lstrip("#") for color in (colors.background, colors.foreground, colors.accent))
    plain = replace(view, colors=replace(colors, palette=""))
    return {
        "card": CardPicture(plain, look, *view.heading),
        "look": look,
        "ground": card.ground_token,
        "pictures": card,
        "code": Markup(qr_svg(view.barcode_text, quiet=2, title=_("Your card’s code"))),  # noqa: S704 (ours)
        "front": _texts([field for field in view.fields if field.place in FRONT], view),
        "back": _texts([field for field in view.fields if field.place == "back"], view),
        "holder": holder,
        "verdicts": verdicts(colors),
    }


def _texts(fields: list[PassField], view: CardView) -> list[tuple[str, str]]:
    speak = translator(view.locale)
    return [
        (field.label, field.value if isinstance(field.value, str) else speak.format_number(field.value))
        for field in fields
    ]


def verdicts(colors: CardColors) -> list[Verdict]:
    """Return how readable text and stamps are on the card's ground, by WCAG 2.2."""
    pairs = (
        (_("Text on the card"), "foreground_color", colors.foreground, TEXT_RATIO_MIN),
        (_("Reward and accents"), "accent_color", colors.accent, SHAPE_RATIO_MIN),
    )
    found = []
    for title, field, color, least in pairs:
        ratio = contrast(color, colors.background)
        passes = ratio >= least
        better = "" if passes else nearest_passing(color, colors.background, least=least)
        # Rounded down: a ratio that fails must not read as the one that passes.
        shown = current().format_number(int(ratio * 10) / 10, decimals=1)
        found.append(Verdict(title, field, shown, current().format_number(least, decimals=1), passes, better))
    return found


def own_colors_of(values: Mapping[str, Any], use: str) -> dict[str, Any]:
    """Return the form's values with a suggested colour taken over; the look becomes the merchant's own."""
    if not use:
        return dict(values)
    field, _equals, color = use.partition("=")
    return {**values, field: color, "look": "own", "use": ""}
