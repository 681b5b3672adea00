"""What a customer is worth, on their page in the dashboard: so far, and in the year to come."""

from __future__ import annotations

import asyncio
from datetime import date
from zoneinfo import ZoneInfo

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.kernel.points import PageContext, Panel
from app.kernel.reports import Figure
from app.modules.analytics.figures import figure
from app.modules.analytics.models import CustomerValue, RollupCustomer
from app.modules.analytics.presenting import ShownFigure, shown_figure
from app.modules.analytics.queries import Books, find_customer, find_progress, find_value
from app.modules.analytics.value.person import DAYS_MIN, History, Outlook, habits_of, look_ahead
from app.modules.analytics.value.service import HORIZON_WEEKS
from app.modules.merchants.public import MerchantView, get_merchant

# Below this nobody should count on somebody.
UNLIKELY = 0.05


async def customer_panel(page: PageContext) -> list[Panel]:
    """Return what the customer's visits add up to; nothing for members who may not see figures, or without visits."""
    if page.subject_id is None or not page.principal.may("analytics.view"):
        return []
    progress = await find_progress(page.session, page.principal.merchant_id)
    if progress.build is None:
        return []
    row = await find_customer(
        Books(page.session, page.principal.merchant_id, progress.build), page.subject_id
    )
    if row is None or not row.visits:
        return []
    merchant = await get_merchant(page.session, page.principal.merchant_id)
    today = page.now.astimezone(ZoneInfo(merchant.time_zone)).date()
    fit = await find_value(page.session, merchant.id)
    outlook = await _outlook(fit, row, merchant, today=today)
    context = {
        "figures": _figures(row, outlook, merchant.currency),
        "words": _words(outlook, merchant.currency) if outlook else _nothing_to_say(fit, row),
        "is_sure": outlook is not None,
    }
    return [Panel(_("What they are worth"), "analytics/_person.html", context, order=20)]


async def _outlook(
    fit: CustomerValue | None, row: RollupCustomer, merchant: MerchantView, *, today: date
) -> Outlook | None:
    habits = habits_of(fit.result) if fit is not None else None
    if fit is None or habits is None or row.first_day is None or row.last_day is None:
        return None
    paid = min(row.later_paid_days, row.visit_days - 1)
    in_currency = fit.result["currency"] == merchant.currency
    history = History(
        days=row.visit_days,
        t_x=(row.last_day - row.first_day).days / 7,
        age=max(0, (today - row.first_day).days) / 7,
        paid_days=paid if in_currency else 0,
        mean_minor=row.later_amount_minor / paid if paid and in_currency else 0.0,
    )
    if not in_currency:
        habits = habits.without_money()
    # Some hundred futures are drawn: not on the loop that serves everybody.
    return await asyncio.to_thread(look_ahead, habits, history, weeks=HORIZON_WEEKS)


def _figures(row: RollupCustomer, outlook: Outlook | None, currency: str) -> list[ShownFigure]:
    figures: list[Figure] = [figure("visits", row.visits)]
    if row.purchases:
        figures.append(figure("spent_by_one", row.amount_minor))
        figures.append(figure("average", row.amount_minor / row.purchases))
    if outlook is not None:
        low, high = outlook.visits_range
        note = _("between %(low)s and %(high)s", low=low, high=high)
        figures.append(figure("visits_expected", outlook.visits, note=note))
        if outlook.value_minor is not None and outlook.value_range_minor is not None:
            low_value, high_value = (
                current().format_money(Money(minor, currency)) for minor in outlook.value_range_minor
            )
            note = _("between %(low)s and %(high)s", low=low_value, high=high_value)
            figures.append(figure("value_expected", outlook.value_minor, note=note))
    return [shown_figure(one, currency) for one in figures]


def _words(outlook: Outlook, currency: str) -> str:
    speak = current()
    if outlook.alive < UNLIKELY:
        return _(
            "By their own rhythm they should have been here long ago: they will hardly come again by themselves."
        )
    said = [
        _(
            "There is a chance of %(chance)s that they will come again.",
            chance=speak.format_percent(outlook.alive),
        )
    ]
    low, high = outlook.visits_range
    said.append(
        _(
            "Of ten customers with the same visits, eight will be here on %(low)s to %(high)s days of the next 12"
            " months.",
            low=low,
            high=high,
        )
    )
    if outlook.value_minor is not None and outlook.value_range_minor is not None:
        least, most = (speak.format_money(Money(minor, currency)) for minor in outlook.value_range_minor)
        said.append(_("They will spend %(low)s to %(high)s.", low=least, high=most))
    return " ".join(said)


def _nothing_to_say(fit: CustomerValue | None, row: RollupCustomer) -> str:
    if fit is None or fit.result["status"] != "ok":
        return _(
            "What to expect is said here once the shop has enough customers who come back; the page of figures tells"
            " what is missing."
        )
    return ngettext(
        "One day with a visit says too little about what to expect; from %(days)s on it is said here.",
        "%(num)s days with a visit say too little about what to expect; from %(days)s on it is said here.",
        row.visit_days,
        days=DAYS_MIN,
    )
