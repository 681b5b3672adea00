"""Birthday gifts as figures: given, redeemed and let go; the report and the download."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import ExportColumn as Col
from app.kernel.points import Exporter
from app.kernel.reports import (
    Block,
    Chart,
    Column,
    Figure,
    Period,
    Report,
    ReportContext,
    ReportView,
    Series,
    Table,
    Value,
)
from app.modules.birthdays.queries import count_gifts

KIND_WORDS = {
    "points": msg("Points"),
    "stamps": msg("Stamps"),
    "reward": msg("Reward"),
    "factor": msg("More points"),
}


async def load_report(context: ReportContext) -> Report:
    """Return what was given in the chosen days, and what of it has been redeemed by now."""
    rows = await _count(context, context.period)
    before = await _count(context, context.before) if context.before else None
    given, offered, used = _sums(rows)
    earlier = _sums(before) if before is not None else (None, None, None)
    figures = (
        Figure(
            _("Gifts given"), given, about=_("Birthday gifts put on cards in these days."), before=earlier[0]
        ),
        Figure(
            _("Rewards redeemed"),
            used,
            about=_("Rewards among them that have been given out by now."),
            before=earlier[2],
        ),
        Figure(
            _("Share redeemed"),
            used / offered if offered else None,
            "percent",
            about=_("Of the rewards given in these days. Points and stamps count with the rest of the card."),
            before=earlier[2] / earlier[1] if earlier[1] and earlier[2] is not None else None,
        ),
    )
    names: dict[str, list[int]] = {}
    for kind, title, redeemed, count in rows:
        found = names.setdefault(title or _(KIND_WORDS[kind]), [0, 0])
        found[0] += count
        found[1] += count if redeemed else 0
    body: list[list[Value]] = [[name, total, out] for name, (total, out) in names.items()]
    table = Table(
        "birthdays",
        (
            Column(_("Gift"), "text"),
            Column(_("Given"), "count", _("Birthday gifts put on cards in these days.")),
            Column(_("Redeemed"), "count", _("Rewards among them that have been given out by now.")),
        ),
        body,
    )
    chart = Chart(
        "parts",
        [str(row[0]) for row in body],
        (Series(_("Given"), [row[1] for row in body], "each"),),
        about=_("Birthday gifts by what was given."),
    )
    return Report(figures, (Block(_("What was given"), chart=chart if body else None, table=table),))


def _sums(rows: list[tuple[str, str, bool, int]]) -> tuple[int, int, int]:
    """Return gifts, rewards among them, and rewards redeemed."""
    given = sum(count for _kind, _title, _used, count in rows)
    offered = sum(count for kind, _title, _used, count in rows if kind == "reward")
    used = sum(count for _kind, _title, redeemed, count in rows if redeemed)
    return given, offered, used


async def _count(context: ReportContext, period: Period) -> list[tuple[str, str, bool, int]]:
    zone = ZoneInfo(context.time_zone)
    start = datetime.combine(period.start, time(), zone)
    end = datetime.combine(period.end + timedelta(days=1), time(), zone)
    return await count_gifts(context.session, context.merchant_id, start=start, end=end)


REPORT = ReportView(msg("Birthdays"), "birthdays.view", load_report, icon="cake", order=76, compares=True)

GIFTS = Exporter(
    title=msg("Birthday gifts"),
    about=msg("What was given for whose birthday, and what became of it."),
    permission="birthdays.view",
    personal=True,
    order=46,
    query="""SELECT gift.year, customer.name AS customer, card.card_number, gift.kind, gift.amount, gift.title,
        gift.given_at, gift.celebrated_on,
        CASE WHEN gift.kind = 'reward' THEN gift.good_until END AS good_until,
        trim_scale(gift.factor)::text AS factor, gift.outcome
        FROM birthday_gift gift
        JOIN pass_object card ON card.merchant_id = gift.merchant_id AND card.id = gift.pass_id
        LEFT JOIN customer ON customer.merchant_id = gift.merchant_id AND customer.id = gift.customer_id
        WHERE gift.merchant_id = $1 ORDER BY gift.id""",
    counting="SELECT count(*) FROM birthday_gift WHERE merchant_id = $1",
    columns=(
        Col("year", msg("Year"), "id"),
        Col("customer", msg("Customer")),
        Col("card_number", msg("Card number")),
        Col("kind", msg("Kind"), "id"),
        Col("amount", msg("Amount"), "count"),
        Col("title", msg("Reward")),
        Col("given_at", msg("Given"), "moment"),
        Col("celebrated_on", msg("Birthday"), "day"),
        Col("good_until", msg("Good until"), "day"),
        Col("factor", msg("Points times"), "id"),
        Col("outcome", msg("What became of it"), "id"),
    ),
)
