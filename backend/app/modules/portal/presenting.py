"""What the templates show, made from the neutral view of a card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.problems import refusal_text
from app.modules.stores.public import ProgramView, StoreView
from app.modules.wallets.public import OWN_TEXTS, CardView, PassField, card_text, own_texts

PICTURED_FIELDS = frozenset({"stamps", "points", "holder", "message"})


def theme_url(merchant_id: UUID, program_id: UUID, design_version: int) -> str:
    """Return the address of a programme's colours; the version makes it cacheable for ever."""
    return f"/theme/{program_id}.css?{urlencode({'m': str(merchant_id), 'v': design_version})}"


def picture_of(view: CardView) -> dict[str, Any]:
    """Return what components/card_picture.html draws: the view, headed by the business and not its rules."""
    fields = {name: getattr(view, name) for name in view.__dataclass_fields__}
    business, place = view.heading
    return fields | {"program_name": business, "store_name": place, "is_full": view.is_full}


def points_to_go(missing: int) -> str:
    """Return "40 points to go"."""
    number = current().format_number(missing)
    return ngettext("%(number)s point to go", "%(number)s points to go", missing, number=number)


def stamps_to_go(missing: int) -> str:
    """Return "3 stamps to go"."""
    number = current().format_number(missing)
    return ngettext("%(number)s stamp to go", "%(number)s stamps to go", missing, number=number)


def store_texts(store: StoreView, locale: str) -> dict[str, Any]:
    """Return what the merchant wrote for those who take a card, in the reader's language. locale: the merchant's.

    invitation: what the card is about, for the head of the page; own_texts: the rest, for its foot.
    """
    texts = own_texts(store.program.design, current(), locale=locale)
    return {
        "invitation": next((text.value for text in texts if text.key == "about"), ""),
        "own_texts": [text for text in texts if text.key != "about"],
    }


def own_texts_of(view: CardView) -> list[PassField]:
    """Return what the merchant wrote for the back of the card."""
    return [field for field in view.fields if field.key in OWN_TEXTS]


def store_picture(
    store: StoreView, merchant_name: str, *, reward: str, needed: str, locale: str
) -> dict[str, Any]:
    """Return the empty card that a visitor may take. locale: the merchant's."""
    program = store.program
    title = card_text(program.design, "title", current().language, locale)
    return {
        "loyalty_type": program.loyalty_type,
        "program_name": merchant_name,
        "store_name": title or store.name,
        "logo_url": program.design.get("logo_url"),
        "icon": program.design.get("icon") or "coffee",
        "stamp_count": 0,
        "stamps_needed": program.stamps_needed,
        "points_balance": 0,
        "next_reward": {"title": reward, "text": needed} if reward else None,
    }


def program_theme(program: ProgramView) -> str:
    """Return the address of a programme's colours."""
    return theme_url(program.merchant_id, program.id, program.design_version)


def card_page(view: CardView) -> dict[str, Any]:
    """Return what every page about a card passes to its template."""
    return {
        "view": view,
        "picture": picture_of(view),
        # What modules add; stamps and points are in the picture, the name stands below.
        "own_texts": own_texts_of(view),
        "facts": [field for field in view.fields if field.in_browser and field.key not in PICTURED_FIELDS],
        "shop": {"name": view.merchant_name, "logo_url": view.logo_url, "url": f"/card/{view.pass_id}"},
        "theme_url": theme_url(view.merchant_id, view.program_id, view.design_version),
    }


def store_page(store: StoreView, merchant_name: str) -> dict[str, Any]:
    """Return what every page about a store passes to its template."""
    return {
        "store": store,
        "merchant_name": merchant_name,
        "shop": {
            "name": merchant_name,
            "logo_url": store.program.design.get("logo_url"),
            "url": f"/join/{store.id}",
        },
        "theme_url": program_theme(store.program),
    }


def moment_text(moment: datetime, *, now: datetime, zone: str) -> str:
    """Return a moment in the shop's zone: the time today, else the date with the time."""
    words = current()
    time = words.format_time(moment, zone=zone)
    today = words.format_date(now, zone=zone)
    day = words.format_date(moment, zone=zone)
    return time if day == today else _("%(day)s, %(time)s", day=day, time=time)


@dataclass(frozen=True, slots=True)
class RefusedText:
    """A refusal in plain words: what, and from when it is worth another try."""

    code: str
    text: str
    retry: str = ""


def refused_text(refusal: Refusal, *, now: datetime, zone: str) -> RefusedText:
    """Return a refusal in the reader's language, with the shop's own clock."""
    retry = ""
    if refusal.retry_at is not None:
        at = moment_text(refusal.retry_at, now=now, zone=zone)
        retry = _("Next stamp possible from %(at)s.", at=at)
        if refusal.code != "too_soon":
            retry = _("Try again from %(at)s.", at=at)
    return RefusedText(refusal.code, refusal_text(refusal), retry)
