"""Visits, stamps, points and rewards over time, beside the period before."""

from __future__ import annotations

from datetime import timedelta

from app.kernel.i18n import gettext as _
from app.kernel.reports import Block, Chart, Column, Period, Report, ReportContext, Series, Table, Value
from app.modules.analytics.figures import FIGURES, column, figure, shown_keys, title_of, values_of
from app.modules.analytics.queries import Compared, add_up, compare_periods
from app.modules.analytics.rules import step_of, steps_of
from app.modules.analytics.views.common import (
    NotCounted,
    loyalty_types,
    open_books,
    step_label,
    step_tick,
    thinned,
    uncounted,
)

RATE_KEYS = {"stamps": "stamp_rate", "points": "point_rate"}


async def load_overview(context: ReportContext) -> Report:
    """Return the figures of the period, and a picture of each kind."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    compared = await compare_periods(
        books, context.period, context.before, now=context.now, time_zone=context.time_zone
    )
    now, before = values_of(compared.totals), values_of(compared.before) if compared.before else {}
    with_sales = bool(now["purchases"] or before.get("purchases"))
    keys = shown_keys(await loyalty_types(context), with_sales=with_sales)
    rates = [RATE_KEYS[key] for key in keys if key in RATE_KEYS]
    return Report(
        figures=[figure(key, now[key], before=before.get(key)) for key in (*keys, *rates)],
        blocks=_blocks(context, compared, keys),
    )


def _blocks(context: ReportContext, compared: Compared, keys: list[str]) -> list[Block]:
    step = step_of(context.period)
    parts = steps_of(context.period, step)
    rows = [values_of(add_up(compared.days, part)) for part in parts]
    earlier: list[dict[str, Value]] | None = None
    if context.before is not None:
        back = context.period.start - context.before.start
        earlier = [values_of(add_up(compared.before_days, _moved(part, back))) for part in parts]
    labels = [step_label(step, part) for part in parts]
    ticks = thinned([step_tick(step, part) for part in parts])

    def chart(*series: Series, of: str, before_of: str) -> Chart:
        before = None
        if earlier is not None:
            values = [row[before_of] for row in earlier]
            before = Series(_("before"), values, "before", FIGURES[before_of].kind)
        return Chart("bars", labels, series, ticks, before, about=of)

    def series(key: str, tone: str) -> Series:
        return Series(title_of(key), [row[key] for row in rows], tone, FIGURES[key].kind)

    blocks = [
        Block(
            _("Visits"),
            _("Visits of customers who had been there before, and very first visits on top of them."),
            chart(series("returning", "1"), series("new", "2"), of=_("Visits over time"), before_of="visits"),
            _table(step, parts, rows, keys=keys),
        )
    ]
    titles = {"stamps": _("Stamps"), "points": _("Points"), "rewards": _("Rewards"), "sales": _("Sales")}
    blocks += [
        Block(
            title,
            "",
            chart(series(key, "1"), of=title, before_of=key),
            _small_table(step, parts, rows, earlier, key=key),
        )
        for key, title in titles.items()
        if key in keys
    ]
    return blocks


def _moved(part: Period, back: timedelta) -> Period:
    return Period(part.start - back, part.end - back)


def _first_column(step: str) -> Column:
    heading = {"day": _("Day"), "week": _("Week from"), "month": _("Month")}[step]
    return Column(heading, "month" if step == "month" else "day")


def _small_table(
    step: str,
    parts: list[Period],
    rows: list[dict[str, Value]],
    earlier: list[dict[str, Value]] | None,
    *,
    key: str,
) -> Table:
    """Return the numbers of one picture, beside those of the period before where there is one."""
    columns = [_first_column(step), column(key)]
    cells: list[list[Value]] = [[part.start, row[key]] for part, row in zip(parts, rows, strict=True)]
    if earlier is not None:
        columns.append(Column(_("before"), FIGURES[key].kind))
        cells = [[*line, then[key]] for line, then in zip(cells, earlier, strict=True)]
    return Table(key, columns, cells)


def _table(step: str, parts: list[Period], rows: list[dict[str, Value]], *, keys: list[str]) -> Table:
    return Table(
        "visits",
        [_first_column(step), *(column(name) for name in keys)],
        [[part.start, *(row[name] for name in keys)] for part, row in zip(parts, rows, strict=True)],
    )
