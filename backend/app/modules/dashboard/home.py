"""What the home page shows, ready for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.points import HOME_BLOCK, HOME_TILE, PageContext, Tile
from app.modules.dashboard.queries import (
    FEED_SHOWN,
    RedemptionRow,
    VisitFilter,
    VisitRow,
    first_steps,
    list_redemptions,
    list_visits,
)
from app.modules.dashboard.rules import Span, today_span
from app.modules.messaging.public import messaging_ready
from app.modules.staff.public import staff_names
from app.modules.stores.public import StoreView

# What a module contributes below this order stands above the figures: somebody should look at it now.
URGENT_BELOW = 10


@dataclass(frozen=True, slots=True)
class ShownTile:
    """A figure as the tile component takes it."""

    label: str
    value: str
    compared: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A line of the live feed."""

    id: UUID
    icon: str
    text: str
    detail: str
    at: datetime
    when: str
    voided: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the checklist."""

    label: str
    done: bool
    url: str


def _contributed(tile: Tile) -> ShownTile:
    return ShownTile(tile.label, tile.value, compared=tile.note or None, url=tile.url or None)


async def home_page(page: PageContext, stores: Sequence[StoreView], *, time_zone: str) -> dict[str, Any]:
    """Return the home page's values."""
    session, merchant_id = page.session, page.principal.merchant_id
    blocks = sorted(await HOME_BLOCK.gather(page), key=lambda block: block.order)
    contributed = sorted(await HOME_TILE.gather(page), key=lambda tile: tile.order)
    progress = await first_steps(session, merchant_id)
    return {
        "blocks": blocks,
        "urgent": [_contributed(tile) for tile in contributed if tile.order < URGENT_BELOW],
        "more": [_contributed(tile) for tile in contributed if tile.order >= URGENT_BELOW],
        "feed": await feed_items(page, stores, time_zone=time_zone),
        "checklist": []
        if progress.has_visit
        else [
            Step(_("Open your first store"), done=bool(stores), url="/dashboard/start"),
            Step(_("Choose what customers collect"), done=bool(stores), url="/dashboard/start/programme"),
            Step(_("Design your card"), done=progress.has_design, url="/dashboard/start/design"),
            Step(_("Print a poster"), done=progress.has_card, url="/dashboard/start/poster"),
            Step(_("Give your team a PIN"), done=progress.has_pin, url="/dashboard/start/team"),
            Step(_("Start a first card"), done=progress.has_card, url="/dashboard/start/try"),
            Step(_("Give the first stamp"), done=False, url="/dashboard/start/try"),
        ],
        "notices": home_notices(session),
        "time_zone": time_zone,
    }


def home_notices(session: AsyncSession) -> list[str]:
    """Return what the merchant should know about the installation."""
    if messaging_ready(resources_of(session).get(Settings)):
        return []
    return [_("This installation sends no mail: customers cannot get their card by mail. Ask its operator.")]


GIVERS = {
    "pin": msg("A former member"),
    "shared_pin": msg("Shared PIN"),
    "device": msg("Staff device"),
    "api_key": msg("API key"),
    "member": msg("Dashboard"),
}


def giver_name(via: str, staff_id: UUID | None, names: Mapping[UUID, str]) -> str:
    """Return who gave something: the person's name, or the way where there is no person."""
    if staff_id is not None and staff_id in names:
        return names[staff_id]
    return _(GIVERS[via]) if via in GIVERS else via


async def feed_items(page: PageContext, stores: Sequence[StoreView], *, time_zone: str) -> list[FeedItem]:
    """Return the newest visits and redemptions together, newest first."""
    session, merchant_id = page.session, page.principal.merchant_id
    visits = await list_visits(session, merchant_id, VisitFilter(), limit=FEED_SHOWN)
    redemptions = await list_redemptions(session, merchant_id)
    staff_ids = [*(row.staff_id for row in visits), *(row.staff_id for row in redemptions)]
    givers = {staff_id for staff_id in staff_ids if staff_id is not None}
    names = _Names(
        {store.id: store.name for store in stores},
        await staff_names(session, merchant_id, sorted(givers)),
        today_span(page.now, time_zone),
        time_zone,
    )
    items = [_visit_item(row, names) for row in visits] + [
        _redemption_item(row, names) for row in redemptions
    ]
    return sorted(items, key=lambda item: (item.at, item.id), reverse=True)[:FEED_SHOWN]


def given_text(stamps: int, points: int) -> str:
    """Return what a visit gave, in words."""
    speak = current()
    parts: list[str] = []
    if stamps:
        parts.append(
            ngettext("%(number)s stamp", "%(number)s stamps", stamps, number=speak.format_number(stamps))
        )
    if points or not stamps:
        parts.append(
            ngettext("%(number)s point", "%(number)s points", points, number=speak.format_number(points))
        )
    return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that a feed's lines need, and which of them are of today."""

    stores: Mapping[UUID, str]
    staff: Mapping[UUID, str]
    today: Span
    time_zone: str

    def when(self, row: VisitRow | RedemptionRow) -> str:
        """Return the time of today's lines and the date of the others."""
        if row.at >= self.today.start:
            return current().format_time(row.at, zone=self.time_zone)
        return current().format_datetime(row.at, zone=self.time_zone, style="short")

    def detail(self, row: VisitRow | RedemptionRow) -> str:
        """Return where and by whom."""
        giver = giver_name(row.given_by, row.staff_id, self.staff)
        return " · ".join(part for part in (self.stores.get(row.store_id, ""), giver) if part)


def _customer(row: VisitRow | RedemptionRow) -> str:
    # Outside of an f-string: the extraction of texts does not look into those.
    return row.customer_name or _("A customer")


def _visit_item(row: VisitRow, names: _Names) -> FeedItem:
    return FeedItem(
        id=row.id,
        icon="rubber-stamp" if row.stamps else "coins",
        text=f"{_customer(row)}: {given_text(row.stamps, row.points)}",
        detail=names.detail(row),
        at=row.at,
        when=names.when(row),
        voided=row.voided_at is not None,
    )


def _redemption_item(row: RedemptionRow, names: _Names) -> FeedItem:
    return FeedItem(
        id=row.id,
        icon="gift",
        text=f"{_customer(row)}: {row.title}",
        detail=names.detail(row),
        at=row.at,
        when=names.when(row),
        voided=row.voided_at is not None,
    )
