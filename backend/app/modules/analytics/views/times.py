"""When customers come: weekdays and hours."""

from __future__ import annotations

from collections import defaultdict
from datetime import time

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.reports import Block, Chart, Column, Report, ReportContext, Series, Table
from app.modules.analytics.figures import column, shown_keys, title_of, values_of
from app.modules.analytics.queries import NOTHING, weekday_hours
from app.modules.analytics.views.common import WEEKDAYS, NotCounted, loyalty_types, open_books, uncounted


async def load_times(context: ReportContext) -> Report:
    """Return the week as a picture, and each weekday and hour by itself."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    cells = await weekday_hours(books, context.period)
    weekdays: dict[int, dict[str, float]] = defaultdict(lambda: dict(NOTHING))
    hours: dict[int, dict[str, float]] = defaultdict(lambda: dict(NOTHING))
    visits: dict[tuple[int, int], int] = {}
    for weekday, hour, sums in cells:
        visits[weekday, hour] = round(sums["visits"])
        for name, value in sums.items():
            weekdays[weekday][name] += value
            hours[hour][name] += value
    open_hours = [hour for hour in hours if hours[hour]["visits"]]
    span = range(min(open_hours, default=8), max(open_hours, default=18) + 1)
    with_sales = any(sums["purchases"] for sums in weekdays.values())
    keys = [
        key
        for key in shown_keys(await loyalty_types(context), with_sales=with_sales)
        if key not in {"cards", "average"}
    ]
    return Report(blocks=[_week(visits, span), _by_weekday(weekdays, keys), _by_hour(hours, span, keys)])


def _hour(hour: int) -> str:
    return current().format_time(time(hour))


def _week(visits: dict[tuple[int, int], int], span: range) -> Block:
    labels = [_hour(hour) for hour in span]
    series = [
        Series(_(name), [visits.get((number, hour), 0) for hour in span])
        for number, name in enumerate(WEEKDAYS)
    ]
    table = Table(
        "week",
        [Column(_("Hour"), "text"), *(Column(_(name)) for name in WEEKDAYS)],
        [
            [label, *(visits.get((number, hour), 0) for number in range(7))]
            for hour, label in zip(span, labels, strict=True)
        ],
    )
    text = _(
        "Each field is an hour of the week: the stronger its colour, the more visits. Hours are those on the"
        " store's wall."
    )
    ticks = [str(hour) for hour in span]
    chart = Chart("heat", labels, series, ticks, about=_("Visits by weekday and hour"))
    return Block(_("The week"), text, chart, table)


def _by_weekday(sums: dict[int, dict[str, float]], keys: list[str]) -> Block:
    rows = [values_of(sums[number]) for number in range(7)]
    names = [_(name) for name in WEEKDAYS]
    values = [row["visits"] for row in rows]
    chart = Chart("bars", names, [Series(title_of("visits"), values)], [name[:2] for name in names])
    table = Table(
        "weekdays",
        [Column(_("Weekday"), "text"), *(column(key) for key in keys)],
        [[name, *(row[key] for key in keys)] for name, row in zip(names, rows, strict=True)],
    )
    return Block(_("By weekday"), "", chart, table)


def _by_hour(sums: dict[int, dict[str, float]], span: range, keys: list[str]) -> Block:
    rows = [values_of(sums[hour]) for hour in span]
    labels = [_hour(hour) for hour in span]
    values = [row["visits"] for row in rows]
    ticks = [str(hour) for hour in span]
    chart = Chart("bars", labels, [Series(title_of("visits"), values)], ticks)
    table = Table(
        "hours",
        [Column(_("Hour"), "text"), *(column(key) for key in keys)],
        [[label, *(row[key] for key in keys)] for label, row in zip(labels, rows, strict=True)],
    )
    return Block(_("By hour"), "", chart, table)
