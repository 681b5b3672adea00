"""Credit as figures: what is owed to customers, what was given, spent and expired; the report and the download."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
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
from app.modules.cashback.models import CreditEntry, CreditLot

SOON = timedelta(days=30)
# What an undo takes of cashback lessens what was given, what it returns lessens what was spent.
GIVEN, SPENT, EXPIRED = "given", "spent", "expired"
Sums = dict[str, int]


def _side(kind: str, amount: int) -> str | None:
    if kind in {"earn", "adjust"} or (kind == "void" and amount < 0):
        return GIVEN
    if kind in {"spend", "void"}:
        return SPENT
    return EXPIRED if kind in {"expire", "erase"} else None


async def _moved(context: ReportContext, period: Period) -> dict[date, Sums]:
    """Return what was given, spent and expired, net of undos, by month of the shop's calendar."""
    zone = ZoneInfo(context.time_zone)
    begin = datetime.combine(period.start, time(), zone)
    end = datetime.combine(period.end + timedelta(days=1), time(), zone)
    month = func.date_trunc("month", func.timezone(context.time_zone, CreditEntry.at)).label("month")
    statement = (
        select(
            month,
            CreditEntry.kind,
            func.sign(CreditEntry.amount_minor).label("sign"),
            func.sum(CreditEntry.amount_minor).label("total"),
        )
        .where(CreditEntry.merchant_id == context.merchant_id, CreditEntry.at >= begin, CreditEntry.at < end)
        .group_by(month, CreditEntry.kind, func.sign(CreditEntry.amount_minor))
    )
    if context.store_id is not None:
        statement = statement.where(CreditEntry.store_id == context.store_id)
    sums: dict[date, Sums] = defaultdict(lambda: {GIVEN: 0, SPENT: 0, EXPIRED: 0})
    for row in await context.session.execute(statement):
        side = _side(row.kind, int(row.total))
        if side is not None:
            sums[row.month.date()][side] += int(row.total) if side == GIVEN else -int(row.total)
    return dict(sums)


async def _owed(context: ReportContext) -> tuple[int, int, int]:
    """Return what customers could spend today, what of it runs out soon, and on how many cards it lies."""
    row = (
        await context.session.execute(
            select(
                func.coalesce(func.sum(CreditLot.remaining_minor), 0),
                func.coalesce(
                    func.sum(CreditLot.remaining_minor).filter(CreditLot.expires_at <= context.now + SOON), 0
                ),
                func.count(CreditLot.pass_id.distinct()),
            ).where(
                CreditLot.merchant_id == context.merchant_id,
                CreditLot.remaining_minor > 0,
                CreditLot.expires_at.is_(None) | (CreditLot.expires_at > context.now),
            )
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


def _total(months: dict[date, Sums], side: str) -> int:
    return sum(sums[side] for sums in months.values())


async def load_report(context: ReportContext) -> Report:
    """Return what is owed today, and the movements of the chosen days."""
    owed, soon, cards = await _owed(context)
    months = await _moved(context, context.period)
    before = await _moved(context, context.before) if context.before else None

    def moved(title: str, side: str, about: str, *, better: str) -> Figure:
        earlier = _total(before, side) if before is not None else None
        return Figure(title, _total(months, side), "money", about, before=earlier, better=better)

    figures = (
        Figure(
            _("Owed today"),
            owed,
            "money",
            _("Credit that customers could spend now, in all stores: what you owe them in goods."),
            better="",
            note=_("on %(number)s cards", number=current().format_number(cards)),
        ),
        Figure(
            _("Runs out in 30 days"),
            soon,
            "money",
            _("The part of it that ends within thirty days if nobody spends it."),
            better="",
        ),
        moved(
            _("Given"),
            GIVEN,
            _("Cashback and credit given by hand, less what was taken back."),
            better="",
        ),
        moved(_("Spent"), SPENT, _("Paid with credit at the till, less payments taken back."), better="up"),
        moved(
            _("Expired"),
            EXPIRED,
            _("Ran out before it was spent, or went with a deleted card."),
            better="",
        ),
    )
    return Report(figures, _by_month(months))


def _by_month(months: dict[date, Sums]) -> tuple[Block, ...]:
    """Return what came in and what went out, a bar for each month; the numbers stand below the second."""
    ordered = sorted(months)
    names = {GIVEN: _("Given"), SPENT: _("Spent"), EXPIRED: _("Expired")}

    def bars(about: str, *sides: str) -> Chart | None:
        labels = [current().format_date(day, style="LLLL yyyy") for day in ordered]
        ticks = [current().format_date(day, style="LLL") for day in ordered]
        series = [
            Series(names[side], [months[day][side] for day in ordered], str(tone), "money")
            for tone, side in enumerate(sides, start=1)
        ]
        return Chart("bars", labels, series, ticks=ticks, about=about) if ordered else None

    rows: list[list[Value]] = [
        [day, months[day][GIVEN], months[day][SPENT], months[day][EXPIRED]] for day in ordered
    ]
    table = Table(
        "credit",
        (
            Column(_("Month"), "month"),
            Column(_("Given"), "money", _("Cashback and credit given by hand, less what was taken back.")),
            Column(_("Spent"), "money", _("Paid with credit at the till, less payments taken back.")),
            Column(_("Expired"), "money", _("Ran out before it was spent, or went with a deleted card.")),
        ),
        rows,
        total=[_("Total"), *(_total(months, side) for side in (GIVEN, SPENT, EXPIRED))],
    )
    came = bars(_("Credit given in each month."), GIVEN)
    went = bars(_("Credit spent and expired in each month."), SPENT, EXPIRED)
    return (
        Block(_("Given by month"), chart=came),
        Block(_("Spent and expired by month"), chart=went, table=table),
    )


REPORT = ReportView(
    msg("Store credit"), "cashback.view", load_report, icon="credit-card", order=76, compares=True
)

MOVEMENTS = Exporter(
    title=msg("Store credit"),
    about=msg("Every movement of credit: earned, spent, taken back, expired, given by hand."),
    permission="cashback.view",
    personal=True,
    order=46,
    query="""SELECT entry.at, card.card_number, customer.name AS customer, store.name AS store, entry.kind,
        entry.amount_minor, entry.balance_after, lot.expires_at, entry.visit_id
        FROM credit_entry entry
        JOIN pass_object card ON card.merchant_id = entry.merchant_id AND card.id = entry.pass_id
        LEFT JOIN customer ON customer.merchant_id = card.merchant_id AND customer.id = card.customer_id
        LEFT JOIN store ON store.merchant_id = entry.merchant_id AND store.id = entry.store_id
        LEFT JOIN credit_lot lot ON lot.merchant_id = entry.merchant_id AND lot.id = entry.id
        WHERE entry.merchant_id = $1 ORDER BY entry.id""",
    counting="SELECT count(*) FROM credit_entry WHERE merchant_id = $1",
    columns=(
        Col("at", msg("When"), "moment"),
        Col("card_number", msg("Card number")),
        Col("customer", msg("Customer")),
        Col("store", msg("Store")),
        Col("kind", msg("Kind"), "id"),
        Col("amount_minor", msg("Amount"), "money"),
        Col("balance_after", msg("Credit afterwards"), "money"),
        Col("expires_at", msg("Good until"), "moment"),
        Col("visit_id", msg("Visit"), "id"),
    ),
)
