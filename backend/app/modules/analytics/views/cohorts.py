"""Who comes back: customers by the month of their first visit, month after month."""

from __future__ import annotations

from datetime import date

from app.kernel.i18n import gettext as _
from app.kernel.reports import Block, Chart, Column, Report, ReportContext, Series, Table, Value
from app.modules.analytics.figures import column
from app.modules.analytics.queries import CohortCell, list_cohorts
from app.modules.analytics.rules import ratio_of
from app.modules.analytics.views.common import NotCounted, month_label, open_books, uncounted

COHORTS_SHOWN = 13


async def load_cohorts(context: ReportContext) -> Report:
    """Return the retention grid, and what each cohort has spent so far."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    months = _months_back(context.today.replace(day=1), COHORTS_SHOWN)
    cells = await list_cohorts(books, since=months[0])
    blocks = [_retention(cells, months)]
    if any(cell.amount_minor for cell in cells):
        blocks.append(_spending(cells, months))
    return Report(blocks=blocks)


def _months_back(month: date, count: int) -> list[date]:
    index = month.year * 12 + month.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(index - count + 1, index + 1)]


def _retention(cells: list[CohortCell], months: list[date]) -> Block:
    there = {(cell.cohort, cell.month): cell.customers for cell in cells}
    cohorts = [month for month in months if (month, month) in there]
    width = len(months)
    rows: list[list[Value]] = []
    series: list[Series] = []
    for cohort in cohorts:
        size = there[cohort, cohort]
        later = [month for month in months if month >= cohort]
        shares = [ratio_of(there.get((cohort, month), 0), size) for month in later]
        padded = [*shares, *[None] * (width - len(shares))]
        rows.append([cohort, size, *padded[1:]])
        series.append(Series(month_label(cohort), padded, kind="percent"))
    names = [str(number) for number in range(width)]
    about = _("Share of the customers of a first month who were there in a later month.")
    chart = Chart("triangle", names, series, names, about=about)
    table = Table(
        "retention",
        [
            Column(_("First visit in"), "month"),
            column("customers"),
            *(Column(_("Month %(number)s", number=number), "percent") for number in range(1, width)),
        ],
        rows,
    )
    text = _(
        "Each row are the customers of one month. 0 is the month of their first visit, 1 the month after it; the"
        " stronger a field, the more of them were there. The month that is running is not over yet."
    )
    return Block(_("Who comes back"), text, chart, table)


def _spending(cells: list[CohortCell], months: list[date]) -> Block:
    rows: list[list[Value]] = []
    for cohort in months:
        mine = [cell for cell in cells if cell.cohort == cohort]
        if not mine:
            continue
        size = next(cell.customers for cell in mine if cell.month == cohort)
        amount, visits = sum(cell.amount_minor for cell in mine), sum(cell.visits for cell in mine)
        rows.append([cohort, size, ratio_of(visits, size), amount, ratio_of(amount, size)])
    labels = [month_label(row[0]) for row in rows if isinstance(row[0], date)]
    ticks = [label[:3] for label in labels]
    chart = Chart("bars", labels, [Series(_("Spent so far"), [row[4] for row in rows], "1", "money")], ticks)
    table = Table(
        "cohort-value",
        [
            Column(_("First visit in"), "month"),
            column("customers"),
            column("per_customer"),
            column("sales"),
            column("spent_so_far"),
        ],
        rows,
    )
    text = _("What a customer of each first month has spent since: the value of customers so far.")
    return Block(_("Spent so far by first month"), text, chart, table)
