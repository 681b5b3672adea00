"""What the pages about messages show."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import LANGUAGES, current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.modules.customers.public import list_tags
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.messaging.public import count_suppressed, written_instead
from app.modules.nudges.broadcasts.service import count_reach, get_news, is_off, list_news
from app.modules.nudges.letters import make_sample
from app.modules.nudges.models import News
from app.modules.nudges.rules import (
    ALL_KINDS,
    ASKED_KINDS,
    KINDS,
    NEWS_KINDS,
    NEWS_PLACES,
    SUBJECT_MAX,
    TEXT_MAX,
    unknown_places,
)
from app.modules.nudges.settings import NudgeSettings
from app.modules.nudges.wording import Wording, default_wording, find_wordings
from app.modules.stores.public import list_stores

URL = "/dashboard/messages"
STATUSES = {"draft": msg("Draft"), "sending": msg("Being sent"), "sent": msg("Sent")}
ACTIVITIES = {
    "": msg("Everybody who agreed to news"),
    "new": msg("New within 30 days"),
    "back": msg("Came at least twice"),
    "quiet": msg("Not seen for 90 days"),
    "never": msg("Joined, but never came"),
}
PLACE_WORDS = {
    "name": msg("the customer's name"),
    "shop": msg("your shop's name"),
    "stamps": msg("stamps on the card"),
    "reward": msg("the reward"),
    "points": msg("points that expire"),
    "date": msg("the day they expire"),
}

Line = Annotated[str, BeforeValidator(lambda value: " ".join(str(value).split()))]
Words = Annotated[str, BeforeValidator(lambda value: str(value).replace("\r\n", "\n").strip())]
Choice = Annotated[UUID | None, BeforeValidator(lambda value: value or None)]


class TextForm(BaseModel):
    """The words of a message."""

    locale: str = Field(pattern="^(en|fr|de|lb)$")
    subject: Line = Field(min_length=1, max_length=SUBJECT_MAX)
    text: Words = Field(min_length=1, max_length=TEXT_MAX)

    def wording(self) -> Wording:
        """Return what was typed."""
        return Wording(self.subject, self.text, is_own=True)


class NewsForm(BaseModel):
    """A promotion or a new collection."""

    kind: str = Field(pattern="^(promotion|new_collection)$")
    subject: Line = Field(min_length=1, max_length=SUBJECT_MAX)
    text: Words = Field(min_length=1, max_length=TEXT_MAX)
    store_id: Choice = None
    tag_id: Choice = None
    activity: str = Field("", pattern="^(new|back|quiet|never)?$")

    def meant(self) -> dict[str, str]:
        """Return the filter as it is kept."""
        given = {"store_id": self.store_id, "tag_id": self.tag_id, "activity": self.activity}
        return {name: str(value) for name, value in given.items() if value}


class QuietForm(BaseModel):
    """The quiet hours."""

    quiet_from: time
    quiet_to: time


def place_errors(subject: str, text: str, places: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong with the placeholders in a text, by field."""
    errors = {}
    for field, words in (("subject", subject), ("text", text)):
        if unknown := unknown_places(words, places):
            errors[field] = ngettext(
                "%(places)s stands for nothing here.",
                "%(places)s stand for nothing here.",
                len(unknown),
                places=", ".join(unknown),
            )
    return errors


async def overview(session: AsyncSession, principal: Principal, *, ready: bool) -> dict[str, Any]:
    """Return the first page: what goes by itself, what was written, when it is quiet, what came back."""
    merchant = await get_merchant(session, principal.merchant_id)
    settings = await get_settings(session, NudgeSettings, merchant_id=merchant.id)
    suppressed = await count_suppressed(session, merchant.id)
    own = await find_wordings(session, merchant.id)
    return {
        "page_title": _("Messages"),
        "ready": ready,
        "kinds": [
            {
                "name": name,
                "title": _(kind.title),
                "when": _(kind.when),
                "icon": kind.icon,
                "is_on": settings.is_on(name),
                "is_own": any(key[0] == name for key in own),
                "instead": written_instead(name, merchant.modules_on),
            }
            for name, kind in KINDS.items()
        ],
        "asked": [
            {
                "name": name,
                "title": _(kind.title),
                "when": _(kind.when),
                "icon": kind.icon,
                "is_own": any(key[0] == name for key in own),
            }
            for name, kind in ASKED_KINDS.items()
        ],
        "news_kinds": [
            {"name": name, "title": _(title), "is_on": settings.is_on(name)}
            for name, title in NEWS_KINDS.items()
        ],
        "news": [_news_row(row, merchant) for row in await list_news(session, merchant.id)],
        "quiet_from": settings.quiet_from.strftime("%H:%M"),
        "quiet_to": settings.quiet_to.strftime("%H:%M"),
        "kept_back": sum(suppressed.values()),
    }


def _news_row(row: News, merchant: MerchantView) -> dict[str, Any]:
    speak = current()
    return {
        "url": f"{URL}/news/{row.id}",
        "subject": row.subject,
        "kind": _(NEWS_KINDS[row.kind]),
        "status": row.status,
        "status_text": _(STATUSES[row.status]),
        "when": speak.format_datetime(row.sent_at or row.created_at, zone=merchant.time_zone, style="short"),
        "queued": row.queued,
    }


async def text_page(
    session: AsyncSession,
    principal: Principal,
    kind: str,
    *,
    locale: str,
    typed: Wording | None = None,
    errors: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the page of one message in one language, with its preview."""
    merchant = await get_merchant(session, principal.merchant_id)
    locale = locale if locale in LANGUAGES else merchant.locale
    own = await find_wordings(session, merchant.id)
    wording = typed or own.get((kind, locale)) or default_wording(kind, locale)
    return {
        "page_title": _(ALL_KINDS[kind].title),
        "kind": kind,
        "when": _(ALL_KINDS[kind].when),
        "text_locale": locale,
        "tongues": [
            {
                "name": name,
                "label": label,
                "url": f"{URL}/automatic/{kind}?locale={name}",
                "is_own": (kind, name) in own,
            }
            for name, label in LANGUAGES.items()
        ],
        "values": {"subject": wording.subject, "text": wording.text},
        "errors": errors or {},
        "is_own": (kind, locale) in own,
        "places": _places(ALL_KINDS[kind].places),
        "mail_locale": locale,
        "frame_url": f"{URL}/automatic/{kind}/mail?locale={locale}",
        "sample": await make_sample(session, merchant.id, kind, wording=wording, locale=locale),
    }


async def find_text(session: AsyncSession, merchant_id: UUID, kind: str, *, locale: str) -> Wording:
    """Return the words of a message as they stand: the shop's, or ours."""
    own = await find_wordings(session, merchant_id)
    return own.get((kind, locale)) or default_wording(kind, locale)


def _places(places: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"place": "{" + name + "}", "means": _(PLACE_WORDS[name])} for name in places]


async def composer(
    session: AsyncSession,
    principal: Principal,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the page on which news is written."""
    stores = await list_stores(session, principal.merchant_id)
    tags = await list_tags(session, principal.merchant_id)
    settings = await get_settings(session, NudgeSettings, merchant_id=principal.merchant_id)
    kinds = [(name, _(title)) for name, title in NEWS_KINDS.items() if settings.is_on(name)]
    return {
        "page_title": _("Write news"),
        "values": values or {"kind": kinds[0][0] if kinds else ""},
        "errors": errors or {},
        "kinds": kinds,
        "activities": [(name, _(title)) for name, title in ACTIVITIES.items()],
        "stores": [("", _("All stores")), *((str(store.id), store.name) for store in stores)],
        "tags": [("", _("With or without tags")), *((str(tag.id), tag.name) for tag in tags)],
        "places": _places(NEWS_PLACES),
    }


async def news_page(
    session: AsyncSession, principal: Principal, news_id: UUID, *, now: datetime
) -> dict[str, Any]:
    """Return one news: how it looks, whom it reaches, or how far it went."""
    row = await get_news(session, principal.merchant_id, news_id)
    merchant = await get_merchant(session, principal.merchant_id)
    return {
        "page_title": _(NEWS_KINDS[row.kind]),
        "news": _news_row(row, merchant) | {"id": str(row.id), "rested": row.rested},
        "reach": await count_reach(session, row, now=now) if row.status == "draft" else None,
        "is_off": await is_off(session, merchant.id, row.kind),
        "mail_locale": merchant.locale,
        "frame_url": f"{URL}/news/{row.id}/mail",
        "sample": await make_sample(
            session, merchant.id, row.kind, wording=Wording(row.subject, row.text), locale=merchant.locale
        ),
    }
