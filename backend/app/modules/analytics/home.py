"""The figures on the dashboard's home: today, this week, this month, and what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.points import PageContext, Panel
from app.kernel.reports import Chart, Period, Series
from app.modules.analytics.figures import figure, shown_keys, values_of
from app.modules.analytics.presenting import ShownFigure, draw_bars, shown_figure
from app.modules.analytics.queries import (
    Books,
    add_up,
    find_progress,
    list_balances,
    list_people,
    so_far,
    totals_by_day,
)
from app.modules.analytics.rules import (
    QUIET_DAYS,
    RECENT_DAYS,
    REGULAR_VISITS,
    month_before,
    segment_of,
)
from app.modules.analytics.views.common import step_label, step_tick, thinned
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.stores.public import list_stores

CHART_DAYS = 14


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch up to now beside the one before, which ends at the same time of day."""

    title: str
    text: str
    period: Period
    before: Period


def spans_of(today: date) -> list[Span]:
    """Return today, this week and this month, each with what it is compared with."""
    monday = today - timedelta(days=today.weekday())
    week = timedelta(days=7)
    first = today.replace(day=1)
    then = month_before(today)
    return [
        Span(
            _("Today"),
            _("Since midnight, compared with a week ago up to this time."),
            Period(today, today),
            Period(today - week, today - week),
        ),
        Span(
            _("This week"),
            _("Since Monday, compared with last week up to this time."),
            Period(monday, today),
            Period(monday - week, today - week),
        ),
        Span(
            _("This month"),
            _("Since the first, compared with last month up to this day and time."),
            Period(first, today),
            Period(then.replace(day=1), then),
        ),
    ]


async def home_blocks(page: PageContext) -> list[Panel]:
    """Return the block of figures; nothing for members who may not see them."""
    if not page.principal.may("dashboard.view"):
        return []
    progress = await find_progress(page.session, page.principal.merchant_id)
    if progress.build is None:
        return []
    merchant = await get_merchant(page.session, page.principal.merchant_id)
    books = Books(page.session, merchant.id, progress.build)
    context = await _figures(page, books, merchant)
    # What needs attention is counted over all stores, and leads to pages that a limited member has not.
    if page.principal.may("analytics.view") and not page.principal.store_ids:
        context["attention"] = await _attention(page, books, merchant)
    later = {"attention": [], "chart": None, "spans": context["spans"][1:]}
    now = {**context, "spans": context["spans"][:1]}
    return [
        Panel(_("Figures"), "analytics/_home.html", now, order=50),
        Panel(_("Figures"), "analytics/_home.html", later, order=150),
    ]


async def _figures(page: PageContext, books: Books, merchant: MerchantView) -> dict[str, Any]:
    local = page.now.astimezone(ZoneInfo(merchant.time_zone))
    spans = spans_of(local.date())
    start = min(min(span.before.start for span in spans), local.date() - timedelta(days=CHART_DAYS))
    days = await totals_by_day(books, start, local.date())
    ends = sorted({span.before.end for span in spans})
    partly = await so_far(books, ends, at=local)
    stores = await list_stores(page.session, merchant.id)
    kinds = frozenset(store.loyalty_type for store in stores)
    with_sales = any(cell["purchases"] for cell in days.values())
    keys = [key for key in shown_keys(kinds, with_sales=with_sales) if key != "average"]
    shown: list[dict[str, Any]] = []
    for span in spans:
        now = values_of(add_up(days, span.period))
        # The last day before counts only up to the same time of day.
        cut = {**days, span.before.end: partly[span.before.end]}
        before = values_of(add_up(cut, span.before))
        tiles: Sequence[ShownFigure] = [
            shown_figure(figure(key, now[key], before=before[key]), merchant.currency) for key in keys
        ]
        shown.append({"title": span.title, "text": span.text, "figures": tiles})
    return {"spans": shown, "chart": _chart(days, local.date(), merchant.currency), "attention": []}


def _chart(days: dict[date, dict[str, float]], today: date, currency: str) -> dict[str, Any]:
    shown = [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    rows = [values_of(add_up(days, Period(day, day))) for day in shown]
    chart = Chart(
        "bars",
        [step_label("day", Period(day, day)) for day in shown],
        [
            Series(_("Returning visits"), [row["returning"] for row in rows]),
            Series(_("New customers"), [row["new"] for row in rows], "2"),
        ],
        thinned([step_tick("day", Period(day, day)) for day in shown]),
    )
    legend = [{"title": one.title, "tone": one.tone} for one in chart.series]
    return {
        "form": "bars",
        "about": _("Visits of the last two weeks"),
        "legend": legend,
        **draw_bars(chart, currency),
    }


async def _attention(page: PageContext, books: Books, merchant: MerchantView) -> list[dict[str, str]]:
    today = page.now.astimezone(ZoneInfo(merchant.time_zone)).date()
    people = await list_people(books)
    slipping = sum(
        row.customers for row in people if segment_of(row.visits, (today - row.last_day).days) == "slipping"
    )
    ready = sum(balance.ready for balance in await list_balances(books))
    speak = current()
    found = []
    if slipping:
        text = ngettext(
            "%(number)s regular with %(visits)s visits or more has not been here for %(from)s to %(to)s days.",
            "%(number)s regulars with %(visits)s visits or more have not been here for %(from)s to %(to)s days.",
            slipping,
            number=speak.format_number(slipping),
            visits=REGULAR_VISITS,
            **{"from": RECENT_DAYS + 1, "to": QUIET_DAYS},
        )
        found.append({"icon": "user", "text": text, "url": "/dashboard/analytics/customers"})
    if ready:
        text = ngettext(
            "%(number)s card has a reward waiting.",
            "%(number)s cards have a reward waiting.",
            ready,
            number=speak.format_number(ready),
        )
        found.append({"icon": "gift", "text": text, "url": "/dashboard/analytics/liability"})
    return found
