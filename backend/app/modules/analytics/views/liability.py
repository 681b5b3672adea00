"""What customers hold and have not redeemed: what the shop owes."""

from __future__ import annotations

from decimal import Decimal

from app.kernel.i18n import gettext as _
from app.kernel.money import currency_exponent
from app.kernel.reports import Block, Column, Report, ReportContext, Table, Value
from app.kernel.settings import get_settings
from app.modules.analytics.figures import column, figure
from app.modules.analytics.queries import Balance, list_balances
from app.modules.analytics.settings import AnalyticsSettings
from app.modules.analytics.views.common import NotCounted, open_books, uncounted
from app.modules.rewards.public import RewardView, list_rewards
from app.modules.stores.public import ProgramView, get_program


async def load_liability(context: ReportContext) -> Report:
    """Return stamps, points and waiting rewards by programme, in rewards and, where a cost is set, in money."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    balances = await list_balances(books)
    settings = await get_settings(context.session, AnalyticsSettings, merchant_id=context.merchant_id)
    cost = settings.reward_cost.scaleb(currency_exponent(context.currency))
    rows: list[list[Value]] = []
    owed_all = 0.0
    for balance in balances:
        program = await get_program(context.session, context.merchant_id, balance.program_id)
        rewards = await list_rewards(context.session, context.merchant_id, balance.program_id)
        owed = rewards_owed(balance, program, rewards)
        owed_all += owed
        cells: list[Value] = [
            program.name,
            balance.cards,
            balance.ready,
            balance.stamps,
            balance.points,
            owed,
        ]
        rows.append([*cells, round(owed * float(cost))] if cost else cells)
    figures = [
        figure("ready", sum(balance.ready for balance in balances)),
        figure("stamps_open", sum(balance.stamps for balance in balances)),
        figure("points_open", sum(balance.points for balance in balances)),
    ]
    return Report(figures, [_block(rows, cost=cost)], extra={"reward_cost": settings.reward_cost or ""})


def rewards_owed(balance: Balance, program: ProgramView, rewards: list[RewardView]) -> float:
    """Return how many rewards the balances would buy, were all of them collected: a part of a card is a part."""
    points = min(
        (reward.threshold for reward in rewards if reward.kind == "points" and reward.active), default=0
    )
    owed = balance.stamps / program.stamps_needed
    return owed + (balance.points / points if points else 0)


def _block(rows: list[list[Value]], *, cost: Decimal) -> Block:
    columns = [
        Column(_("Programme"), "text"),
        Column(_("Cards"), "count", _("Cards that can be used today.")),
        column("ready"),
        column("stamps_open"),
        column("points_open"),
        Column(
            _("Worth in rewards"),
            "decimal",
            _("Open stamps by the stamps that a reward needs, and open points by the cheapest reward."),
        ),
    ]
    if cost:
        columns.append(Column(_("Worth in money"), "money", _("Rewards times what one costs you.")))
    text = _(
        "If every customer collected to the end and redeemed, this is what you would hand out. Most never do, so it is"
        " the most that it can become."
    )
    return Block(_("Open on the cards"), text, table=Table("open", columns, rows))
