"""What a poster may be asked to show, and the words it has when nothing else is typed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg, translator
from app.modules.design.posters.layout import PosterLook, PosterText, make_sheet
from app.modules.design.posters.pdf import draw_pdf
from app.modules.design.posters.raster import draw_preview
from app.modules.design.rules import TEXT_RATIO_MIN, contrast, luminance
from app.modules.merchants.public import get_merchant
from app.modules.rewards.public import RewardView, list_rewards
from app.modules.stores.public import StoreView
from app.modules.wallets.public import CardColors, card_colors, card_text, find_logo

HEADLINE_LENGTH_MAX = 60
OFFER_LENGTH_MAX = 90
POSTERS_KEPT = 64

Kind = Literal["join", "stamp", "points"]
Format = Literal["a4", "a5", "tent", "square", "round"]
FORMATS: tuple[tuple[Format, str, str], ...] = (
    ("a4", msg("Poster A4"), msg("For the door or the wall.")),
    ("a5", msg("Poster A5"), msg("For a stand on the counter.")),
    ("tent", msg("Table tent A6"), msg("Print, fold in the middle, glue the foot.")),
    ("round", msg("Round sticker, 10 cm"), msg("For the counter or the window.")),
    ("square", msg("Square sticker, 10 cm"), msg("For the counter or the till.")),
)
HEADLINES = {
    ("join", "stamps"): msg("Collect stamps here"),
    ("join", "points"): msg("Collect points here"),
    ("join", "hybrid"): msg("Collect stamps and points"),
    ("stamp", ""): msg("Your stamp, please"),
    ("points", ""): msg("Your points, please"),
}
STEPS = {
    "join": (msg("Scan the code with your phone"), msg("Your card is ready: no app, no password")),
    "stamp": (msg("Scan the code and open your card"), msg("Show it to us")),
}


def _empty(value: object) -> object:
    return "" if isinstance(value, str) and not value.strip() else value


Line = Annotated[str, BeforeValidator(_empty)]


class PosterWish(BaseModel):
    """What the page's form chose. tone: the card's colours, or light ones that save ink."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    kind: Kind = "join"
    language: Literal["en", "fr", "de", "lb"] = "en"
    tone: Literal["card", "light"] = "card"
    logo: bool = False
    marks: bool = False
    headline: Annotated[Line, Field(max_length=HEADLINE_LENGTH_MAX)] = ""
    offer: Annotated[Line, Field(max_length=OFFER_LENGTH_MAX)] = ""


def words_of(wish: PosterWish, store: StoreView, rewards: Sequence[RewardView]) -> PosterText:
    """Return what stands on the poster, in its own language."""
    speak = translator(wish.language).gettext
    kind = store.loyalty_type if wish.kind == "join" else ""
    steps = STEPS["join" if wish.kind == "join" else "stamp"]
    offer = wish.offer or (_offer(wish.language, rewards) if wish.kind == "join" else "")
    title = card_text(store.program.design, "title", wish.language)
    shop = store.name if not title or title == store.name else f"{title} · {store.name}"
    headline = wish.headline or speak(HEADLINES[(wish.kind, kind)])
    return PosterText(headline, offer, tuple(speak(step) for step in steps), shop)


def _offer(language: str, rewards: Sequence[RewardView]) -> str:
    """Return the first thing there is to win, such as "10 stamps: a coffee on the house"."""
    active = sorted((reward for reward in rewards if reward.active), key=lambda reward: reward.threshold)
    if not active:
        return ""
    first, speak = active[0], translator(language)
    number = speak.format_number(first.threshold)
    if first.kind == "stamps":
        return speak.ngettext(
            "%(number)s stamp: %(reward)s",
            "%(number)s stamps: %(reward)s",
            first.threshold,
            number=number,
            reward=first.title,
        )
    return speak.ngettext(
        "%(number)s point: %(reward)s",
        "%(number)s points: %(reward)s",
        first.threshold,
        number=number,
        reward=first.title,
    )


def look_of(colors: CardColors, *, tone: str, logo: bytes) -> PosterLook:
    """Return the poster's colours: the card's, or its darkest one on white."""
    if tone == "card":
        return PosterLook(colors.background, colors.foreground, colors.accent, logo)
    from_card = (colors.background, colors.foreground, colors.accent)
    ink = min(from_card, key=luminance)
    strong = [
        color for color in (colors.accent, colors.background) if contrast(color, "#ffffff") >= TEXT_RATIO_MIN
    ]
    return PosterLook("#ffffff", ink, strong[0] if strong else ink, logo)


async def logo_of(session: AsyncSession, store: StoreView) -> bytes:
    """Return the logo that stands on the cards, or nothing."""
    merchant = await get_merchant(session, store.merchant_id)
    url = store.program.design.get("logo_url") or merchant.branding.get("logo_url")
    return await find_logo(session, store.merchant_id, str(url) if url else None) or b""


def code_url(store: StoreView, kind: str) -> str:
    """Return the address that the poster's code leads to."""
    return {"join": store.join_url, "stamp": store.stamp_url, "points": store.points_url}[kind]


async def draw_poster(
    session: AsyncSession, store: StoreView, wish: PosterWish, *, name: Format, what: str
) -> bytes:
    """Return a poster as "pdf" or "png", in a thread; the same wish is drawn once."""
    merchant = await get_merchant(session, store.merchant_id)
    rewards = await list_rewards(session, store.merchant_id, store.program.id, language=wish.language)
    colors = card_colors(store.program.design, merchant.branding)
    logo = await logo_of(session, store) if wish.logo else b""
    look = look_of(colors, tone=wish.tone, logo=logo)
    text = words_of(wish, store, rewards)
    order = _Order(name, code_url(store, wish.kind), what=what, marks=wish.marks)
    return await asyncio.to_thread(_draw, order, text, look)


@dataclass(frozen=True, slots=True)
class _Order:
    """Which file is wanted: "png" for the page, "pdf" for print, with the printer's marks or without."""

    name: str
    url: str
    what: str
    marks: bool


@lru_cache(maxsize=POSTERS_KEPT)
def _draw(order: _Order, text: PosterText, look: PosterLook) -> bytes:
    sheet = make_sheet(order.name, order.url, text=text, look=look)
    if order.what == "png":
        return draw_preview(sheet)
    return draw_pdf(sheet, title=f"{text.shop}: {text.headline}", for_printer=order.marks)
