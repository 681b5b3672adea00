"""Levels as figures: who is on which, and what moved; the report and the download."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from sqlalchemy import func, select

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
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
from app.modules.tiers.models import TierMove
from app.modules.tiers.queries import count_members
from app.modules.tiers.service import load_ladder
from app.modules.tiers.showing import counted_text


async def load_report(context: ReportContext) -> Report:
    """Return members per level today, and the moves of the chosen days."""
    ladder = await load_ladder(context.session, context.merchant_id)
    rows = [row for row in ladder.rows]
    members = await count_members(context.session, context.merchant_id)
    cards = await context.session.scalar(
        select(func.count()).where(
            PassObject.merchant_id == context.merchant_id, PassObject.status.in_(("active", "blocked"))
        )
    )
    up, down = await _moves(context)
    without = int(cards or 0) - sum(members.values())
    names = [row.name for row in rows] + [_("No level")]
    counts = [members.get(row.id, 0) for row in rows] + [without]
    body: list[list[Value]] = [
        [
            row.name,
            counted_text(ladder.settings.basis, row.threshold, currency=ladder.currency),
            members.get(row.id, 0),
            up[row.id],
            down[row.id],
        ]
        for row in rows
    ]
    table = Table(
        "levels",
        (
            Column(_("Level"), "text"),
            Column(_("From"), "text"),
            Column(_("Cards today"), "count", _("Cards in use that hold the level now.")),
            Column(_("Reached"), "count", _("How often it was reached in these days.")),
            Column(_("Left"), "count", _("How often it ended in these days.")),
        ),
        body,
    )
    chart = Chart(
        "parts", names, (Series(_("Cards"), counts, "each"),), about=_("Cards on each level today.")
    )
    figures = (
        Figure(
            _("Cards with a level"), sum(members.values()), about=_("Cards in use that hold any level now.")
        ),
        Figure(_("Reached"), sum(up.values()), about=_("Levels reached in these days.")),
        Figure(_("Ended"), sum(down.values()), about=_("Levels that ended in these days."), better="down"),
    )
    return Report(figures, (Block(_("Levels"), chart=chart, table=table),))


async def _moves(context: ReportContext) -> tuple[Counter[UUID], Counter[UUID]]:
    """Return how often each level was reached and left in the chosen days."""
    rows = await context.session.execute(
        select(TierMove.before_id, TierMove.after_id, TierMove.why, func.count())
        .where(
            TierMove.merchant_id == context.merchant_id,
            TierMove.on_day >= context.period.start,
            TierMove.on_day <= context.period.end,
        )
        .group_by(TierMove.before_id, TierMove.after_id, TierMove.why)
    )
    up: Counter[UUID] = Counter()
    down: Counter[UUID] = Counter()
    for before, after, why, count in rows:
        if why == "reached" and after is not None:
            up[after] += count
        if why == "lapsed" and before is not None:
            down[before] += count
    return up, down


REPORT = ReportView(msg("Levels"), "tiers.view", load_report, icon="crown", order=75)

STANDINGS = Exporter(
    title=msg("Levels"),
    about=msg("The level of each card, since when and until when."),
    permission="tiers.view",
    personal=True,
    order=45,
    query="""SELECT card.card_number, customer.name AS customer, level.name AS level, row.since, row.held_until,
        row.qualifying
        FROM tier_standing row
        JOIN pass_object card ON card.merchant_id = row.merchant_id AND card.id = row.pass_id
        LEFT JOIN customer ON customer.merchant_id = card.merchant_id AND customer.id = card.customer_id
        LEFT JOIN tier_level level ON level.merchant_id = row.merchant_id AND level.id = row.level_id
        WHERE row.merchant_id = $1 ORDER BY row.pass_id""",
    counting="SELECT count(*) FROM tier_standing WHERE merchant_id = $1",
    columns=(
        Col("card_number", msg("Card number")),
        Col("customer", msg("Customer")),
        Col("level", msg("Level")),
        Col("since", msg("Since"), "day"),
        Col("held_until", msg("Held until"), "day"),
        Col("qualifying", msg("Counted"), "count"),
    ),
)
