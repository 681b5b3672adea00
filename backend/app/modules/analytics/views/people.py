"""Who the customers are: how often they come, and which of them need attention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.reports import Block, Chart, Column, Figure, Report, ReportContext, Series, Table, Value
from app.modules.analytics.figures import column, figure
from app.modules.analytics.queries import list_people
from app.modules.analytics.rules import SEGMENTS, People, ratio_of, scores_by, segment_of
from app.modules.analytics.views.common import NotCounted, open_books, uncounted

# How many visits are told apart in the picture: from, up to.
BANDS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 9), (10, 19), (20, 10**9))
SCORES = (1, 2, 3, 4, 5)


async def load_people(context: ReportContext) -> Report:
    """Return how often customers come, their segments, and the scores behind them."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    people = await list_people(books)
    with_sales = any(row.amount_minor for row in people)
    return Report(
        figures=_figures(people, with_sales=with_sales),
        blocks=[_segments(people, context.today, with_sales=with_sales), _frequency(people), _scores(people)],
    )


def _figures(people: Sequence[People], *, with_sales: bool) -> list[Figure]:
    came = [row for row in people if row.visits > 0]
    back = [row for row in came if row.visits > 1]
    customers, visitors = _count(people), _count(came)
    visits, returns = sum(row.all_visits for row in came), sum(row.all_visits - row.customers for row in back)
    figures = [
        figure("customers", customers),
        figure("came_back", ratio_of(_count(back), visitors)),
        figure("per_customer", ratio_of(visits, visitors)),
        figure("gap", ratio_of(sum(row.span_days for row in back), returns)),
        figure("redeemers", ratio_of(sum(row.redeemers for row in came), visitors)),
    ]
    if with_sales:
        figures.append(figure("spent_so_far", ratio_of(sum(row.amount_minor for row in came), visitors)))
    return figures


def _count(people: Sequence[People]) -> int:
    return sum(row.customers for row in people)


def _segments(people: Sequence[People], today: date, *, with_sales: bool) -> Block:
    groups: dict[str, list[People]] = {segment.key: [] for segment in SEGMENTS}
    for row in people:
        groups[segment_of(row.visits, (today - row.last_day).days)].append(row)
    total = _count(people)
    columns = [
        Column(_("Segment"), "text"),
        Column(_("Who they are"), "text"),
        column("customers"),
        Column(_("Share"), "percent", _("Of all customers.")),
        column("visits"),
    ]
    if with_sales:
        columns += [column("sales"), column("spent_so_far")]
    rows: list[list[Value]] = []
    for segment in SEGMENTS:
        group = groups[segment.key]
        customers, amount = _count(group), sum(row.amount_minor for row in group)
        cells: list[Value] = [_(segment.title), _(segment.about), customers, ratio_of(customers, total)]
        cells.append(sum(row.all_visits for row in group))
        rows.append([*cells, amount, ratio_of(amount, customers)] if with_sales else cells)
    values = [_count(groups[segment.key]) for segment in SEGMENTS]
    chart = Chart(
        "parts",
        [_(segment.title) for segment in SEGMENTS],
        [Series(_("Customers"), values, "each")],
        [_(segment.about) for segment in SEGMENTS],
    )
    text = _("By how often they came and how long ago that was. Everybody is in exactly one segment.")
    return Block(_("Segments"), text, chart, Table("segments", columns, rows))


def _frequency(people: Sequence[People]) -> Block:
    labels = [_band(first, last) for first, last in BANDS]
    counts = [_count([row for row in people if first <= row.visits <= last]) for first, last in BANDS]
    visitors = sum(counts)
    ticks = [f"{first}" if first == last else f"{first}–{last}" for first, last in BANDS[:-1]]  # noqa: RUF001
    chart = Chart("bars", labels, [Series(_("Customers"), counts)], [*ticks, f"{BANDS[-1][0]}+"])
    table = Table(
        "frequency",
        [Column(_("Visits"), "text"), column("customers"), Column(_("Share"), "percent")],
        [[label, count, ratio_of(count, visitors)] for label, count in zip(labels, counts, strict=True)],
    )
    return Block(_("How often customers have come"), _("Visits so far, since they joined."), chart, table)


def _band(first: int, last: int) -> str:
    if first == last:
        return ngettext("%(num)s visit", "%(num)s visits", first)
    if last > 1000:
        return _("%(number)s visits or more", number=first)
    return _("%(first)s to %(last)s visits", first=first, last=last)


def _scores(people: Sequence[People]) -> Block:
    """Return recency against frequency in fifths: the R and F of RFM, with what was spent in the table."""
    came = [row for row in people if row.visits > 0]
    recency = scores_by(came, [row.last_day.toordinal() for row in came])
    frequency = scores_by(came, [row.visits for row in came])
    counts: dict[tuple[int, int], int] = {}
    amounts: dict[tuple[int, int], int] = {}
    for row, r, f in zip(came, recency, frequency, strict=True):
        counts[f, r] = counts.get((f, r), 0) + row.customers
        amounts[f, r] = amounts.get((f, r), 0) + row.amount_minor
    spent = {key: amounts[key] / counts[key] for key in counts if counts[key]}
    labels = [_recency(r) for r in SCORES]
    series = [Series(_frequency_name(f), [counts.get((f, r), 0) for r in SCORES]) for f in reversed(SCORES)]
    money = any(amounts.values())
    columns = [
        Column(_("Frequency"), "count", _("5: the fifth that came most often.")),
        Column(_("Recency"), "count", _("5: the fifth that was there last.")),
        column("customers"),
    ]
    rows: list[list[Value]] = [
        [f, r, counts.get((f, r), 0), *([spent.get((f, r))] if money else [])]
        for f in reversed(SCORES)
        for r in reversed(SCORES)
    ]
    text = _("Customers in fifths: upwards the more often they came, to the right the more recently (RFM).")
    chart = Chart("heat", labels, series, labels, about=_("Customers by recency and frequency"))
    table = Table("rfm", [*columns, *([column("spent_so_far")] if money else [])], rows)
    return Block(_("Recency and frequency"), text, chart, table)


def _recency(score: int) -> str:
    return {
        1: _("Longest ago"),
        2: _("Long ago"),
        3: _("A while ago"),
        4: _("Lately"),
        5: _("Most recent"),
    }[score]


def _frequency_name(score: int) -> str:
    return {1: _("Rarest"), 2: _("Rare"), 3: _("Now and then"), 4: _("Often"), 5: _("Most often")}[score]
