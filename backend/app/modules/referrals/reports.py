"""Friends brought along as figures: the report and the download."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Date, cast, func, select

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.points import ExportColumn as Col
from app.kernel.points import Exporter
from app.kernel.reports import (
    Block,
    Chart,
    Column,
    Figure,
    Report,
    ReportContext,
    ReportView,
    Series,
    Table,
    Value,
)
from app.modules.cards.public import PassObject
from app.modules.referrals.models import Referral
from app.modules.referrals.wording import shop_state

DAILY_MAX = 62
STATES = ("joined", "review", "due", "given", "declined", "ended")


async def load_report(context: ReportContext) -> Report:
    """Return who joined by a link in the chosen days, day by day or month by month, and where they stand today."""
    joined = await _by_day(context)
    states = await _by_state(context)
    cards = await _cards_made(context)
    total, given = sum(joined.values()), states["given"]
    figures = (
        Figure(_("Friends joined"), total, about=_("Cards made in these days by a personal link.")),
        Figure(_("Given"), given, about=_("Of these, so many bought something and both got their gift.")),
        Figure(
            _("Share of new cards"),
            _percent(total, cards),
            about=_("How many of all cards made in these days came by a personal link."),
        ),
    )
    labels = list(joined)
    chart = Chart(
        "bars",
        labels,
        (Series(_("Friends joined"), [joined[label] for label in labels]),),
        about=_("Cards made by a personal link."),
    )
    body: list[list[Value]] = [[shop_state(state), states[state]] for state in STATES]
    table = Table(
        "friends",
        (
            Column(_("State today"), "text"),
            Column(_("Friends"), "count", _("Of those who joined in these days.")),
        ),
        body,
    )
    return Report(figures, (Block(_("Friends brought along"), chart=chart, table=table),))


def _percent(part: int, whole: int) -> str:
    return f"{current().format_number(100 * part // whole if whole else 0)} %"


def _bounds(context: ReportContext) -> tuple[datetime, datetime]:
    zone = ZoneInfo(context.time_zone)
    start = datetime.combine(context.period.start, time(), zone)
    return start, datetime.combine(context.period.end + timedelta(days=1), time(), zone)


async def _by_day(context: ReportContext) -> dict[str, int]:
    """Return the friends who joined on each day, or in each month of a long time; empty ones too."""
    start, end = _bounds(context)
    day = cast(func.timezone(context.time_zone, Referral.joined_at), Date)
    rows = await context.session.execute(
        select(day, func.count())
        .where(
            Referral.merchant_id == context.merchant_id,
            Referral.joined_at >= start,
            Referral.joined_at < end,
        )
        .group_by(day)
    )
    counts = {found: int(count) for found, count in rows}
    days = [context.period.start + timedelta(days=number) for number in range(context.period.days)]
    sums: Counter[str] = Counter()
    is_long = context.period.days > DAILY_MAX
    for one in days:
        sums[f"{one:%m/%Y}" if is_long else current().format_date(one)] += counts.get(one, 0)
    return dict(sums)


async def _by_state(context: ReportContext) -> Counter[str]:
    start, end = _bounds(context)
    rows = await context.session.execute(
        select(Referral.status, func.count())
        .where(
            Referral.merchant_id == context.merchant_id,
            Referral.joined_at >= start,
            Referral.joined_at < end,
        )
        .group_by(Referral.status)
    )
    return Counter({status: int(count) for status, count in rows})


async def _cards_made(context: ReportContext) -> int:
    start, end = _bounds(context)
    made = select(func.count()).where(
        PassObject.merchant_id == context.merchant_id,
        PassObject.created_at >= start,
        PassObject.created_at < end,
    )
    return int(await context.session.scalar(made) or 0)


REPORT = ReportView(msg("Friends"), "referrals.view", load_report, icon="users", order=76)

FRIENDS = Exporter(
    title=msg("Friends brought along"),
    about=msg("Who joined by whose link, how far they are, and what both got."),
    permission="referrals.view",
    personal=True,
    order=46,
    query="""SELECT inviter_card.card_number AS inviter_card, inviter.name AS inviter,
        friend_card.card_number AS friend_card, friend.name AS friend, row.joined_at, row.status,
        row.inviter_outcome, row.friend_outcome, row.given_at
        FROM referral row
        JOIN pass_object inviter_card ON inviter_card.merchant_id = row.merchant_id
            AND inviter_card.id = row.inviter_pass_id
        JOIN pass_object friend_card ON friend_card.merchant_id = row.merchant_id
            AND friend_card.id = row.friend_pass_id
        LEFT JOIN customer inviter ON inviter.merchant_id = row.merchant_id AND inviter.id = inviter_card.customer_id
        LEFT JOIN customer friend ON friend.merchant_id = row.merchant_id AND friend.id = friend_card.customer_id
        WHERE row.merchant_id = $1 ORDER BY row.id""",
    counting="SELECT count(*) FROM referral WHERE merchant_id = $1",
    columns=(
        Col("inviter_card", msg("Card of the inviter")),
        Col("inviter", msg("Inviter")),
        Col("friend_card", msg("Card of the friend")),
        Col("friend", msg("Friend")),
        Col("joined_at", msg("Joined"), "moment"),
        Col("status", msg("State"), "id"),
        Col("inviter_outcome", msg("Gift of the inviter"), "id"),
        Col("friend_outcome", msg("Gift of the friend"), "id"),
        Col("given_at", msg("Given"), "moment"),
    ),
)
