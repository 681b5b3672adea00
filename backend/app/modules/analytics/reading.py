"""What a page of figures was asked for: which days, compared with what, which store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.replica import read_with
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.points import REPORT_VIEW, PageContext
from app.kernel.reports import Period, Report, ReportContext, ReportView
from app.modules.analytics.rules import (
    COMPARISONS,
    PRESET_DEFAULT,
    PRESETS,
    choose_period,
    period_before,
)
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import list_stores

BASE = "/dashboard/analytics"
# Beneath every page instead of among them.
GLOSSARY = "glossary"
_Blank = BeforeValidator(lambda value: None if value == "" else value)
_FIRST, _LAST = date(2000, 1, 1), date(9000, 1, 1)


class Asked(BaseModel):
    """The query of a page of figures. days: a preset, or "own" with since and until."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    days: Annotated[str, Field(max_length=8)] = PRESET_DEFAULT
    since: Annotated[date | None, Field(ge=_FIRST, le=_LAST), _Blank] = None
    until: Annotated[date | None, Field(ge=_FIRST, le=_LAST), _Blank] = None
    compare: Annotated[str, Field(max_length=8)] = "before"
    store: Annotated[UUID | None, _Blank] = None

    def query(self, **changes: Any) -> str:
        """Return the query string with changes."""
        values = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | changes
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True)
class Page:
    """A page of figures about to be made."""

    key: str
    view: ReportView
    asked: Asked
    context: ReportContext


def may_read(principal: Principal, view: ReportView) -> bool:
    """Tell whether a page is for this member: who is limited to stores gets no figures of the whole business."""
    return principal.may(view.permission) and (view.by_store or not principal.store_ids)


def find_view(key: str, page: PageContext) -> ReportView:
    """Return the report of this name; raises NotFound for one that is not there or not for this member."""
    view = REPORT_VIEW.find(key)
    if view is None or not may_read(page.principal, view):
        raise NotFound("report")
    return view


async def read_page(key: str, asked: Asked, page: PageContext) -> Page:
    """Return what the report is to be made of; raises NotFound for a report or store that is not there."""
    view = find_view(key, page)
    merchant = await get_merchant(page.session, page.principal.merchant_id)
    today = page.now.astimezone(ZoneInfo(merchant.time_zone)).date()
    since, until = (asked.since, asked.until) if asked.days == "own" else (None, None)
    period = choose_period(asked.days, since, until, today=today)
    comparison = asked.compare if asked.compare in COMPARISONS else "before"
    if asked.store is not None:
        stores = await list_stores(page.session, merchant.id)
        if asked.store not in {store.id for store in stores}:
            raise NotFound("store")
    context = ReportContext(
        session=page.session,
        merchant_id=merchant.id,
        now=page.now,
        today=today,
        time_zone=merchant.time_zone,
        currency=merchant.currency,
        period=period,
        before=period_before(period, comparison),
        store_id=asked.store,
        modules_on=page.modules_on,
    )
    return Page(key, view, asked, context)


async def load_report(page: Page) -> Report:
    """Load a page's report, from the replica where there is one that is fresh enough."""

    async def load(session: AsyncSession) -> Report:
        return await page.view.load(replace(page.context, session=session))

    return await read_with(page.context.session, page.context.merchant_id, load)


def tabs_of(page: PageContext, key: str, asked: Asked) -> list[dict[str, Any]]:
    """Return the reports this member may see, in order."""
    found = sorted(REPORT_VIEW.items(), key=lambda item: item[1].order)
    query = asked.query()
    return [
        {
            "title": _(view.title),
            "icon": view.icon,
            "url": f"{BASE}/{name}" + (f"?{query}" if query else ""),
            "current": name == key,
        }
        for name, view in found
        if name != GLOSSARY and may_read(page.principal, view)
    ]


async def filters_of(page: Page) -> dict[str, Any]:
    """Return what stands in the form above the figures, and in words what they are about."""
    stores = await list_stores(page.context.session, page.context.merchant_id)
    asked, context = page.asked, page.context
    return {
        "asked": asked,
        "presets": [
            {
                "title": _(title),
                "url": "?" + (asked.query(days=key, since=None, until=None) or "days=" + key),
                "current": asked.days == key,
            }
            for key, (title, _days) in PRESETS.items()
        ],
        "comparisons": [(key, _(title)) for key, title in COMPARISONS.items()],
        "stores": [(str(store.id), store.name) for store in stores] if len(stores) > 1 else [],
        "period": context.period,
        "range_text": period_text(context.period),
        "before_text": period_text(context.before) if context.before else "",
        "time_zone": context.time_zone,
        "export_query": asked.query(),
        "latest": context.today,
        "earliest": context.today - timedelta(days=3650),
    }


def period_text(period: Period) -> str:
    """Return a period in words."""
    speak = current()
    if period.start == period.end:
        return speak.format_date(period.start)
    return f"{speak.format_date(period.start)} – {speak.format_date(period.end)}"  # noqa: RUF001
