"""What customers are worth: so far, and in the year to come."""

from __future__ import annotations

from typing import Any

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money, currency_exponent
from app.kernel.reports import Block, Column, Figure, Report, ReportContext, Table, Value
from app.modules.analytics.figures import figure
from app.modules.analytics.queries import Books, find_progress, find_value, list_people
from app.modules.analytics.value.service import CUSTOMERS_MIN, RETURNERS_MIN, WEEKS_MIN


async def load_value(context: ReportContext) -> Report:
    """Return the last fit in plain words, or what is still missing for one."""
    found = await find_value(context.session, context.merchant_id)
    if found is None or found.result["status"] != "ok":
        return Report(notice=_why_not(found.result if found else None), figures=await _so_far(context))
    result = found.result
    has_money = result["value_minor"] is not None and result["currency"] == context.currency
    return Report(
        figures=_figures(result, has_money=has_money),
        blocks=[_words(result, context.currency, has_money=has_money), _table(result, has_money=has_money)],
        extra={"fitted_at": found.fitted_at},
    )


def _why_not(result: dict[str, Any] | None) -> str:
    if result is None:
        return _("The expected value is worked out once a day. It is not there yet.")
    if result["status"] == "too_few":
        return _missing(result)
    return _("Your customers' visits follow no pattern that the model knows, so it says nothing.")


async def _so_far(context: ReportContext) -> list[Figure]:
    """Return what is known without a fit: what customers spent until today."""
    progress = await find_progress(context.session, context.merchant_id)
    if progress.build is None:
        return []
    people = await list_people(Books(context.session, context.merchant_id, progress.build))
    customers = sum(row.customers for row in people if row.visits)
    spent = sum(row.amount_minor for row in people)
    return [figure("spent_so_far", spent / customers)] if spent else []


def _missing(result: dict[str, Any]) -> str:
    return _(
        "The expected value needs %(customers)s customers, %(returners)s of whom came back, over %(weeks)s weeks. So"
        " far there are %(now_customers)s, %(now_returners)s and %(now_weeks)s.",
        customers=CUSTOMERS_MIN,
        returners=RETURNERS_MIN,
        weeks=WEEKS_MIN,
        now_customers=result["customers"],
        now_returners=result["returners"],
        now_weeks=int(result["weeks"]),
    )


def _figures(result: dict[str, Any], *, has_money: bool) -> list[Figure]:
    customers = current().format_number(result["customers"])
    figures = [
        figure("alive", round(result["alive"]), note=_("of %(number)s", number=customers)),
        figure(
            "visits_expected",
            result["visits"],
            note=_("per customer, with all who will not come again"),
        ),
    ]
    if has_money:
        figures += [
            figure("value_expected", result["value_minor"], note=_("per customer")),
            figure("value_of_all", result["total_minor"], note=_("in the next 12 months")),
            figure("spent_so_far", result["past_minor"]),
        ]
    return figures


def _words(result: dict[str, Any], currency: str, *, has_money: bool) -> Block:
    speak = current()

    def number(value: float) -> str:
        return speak.format_number(value, decimals=1)

    low, high = result["visits_range"]
    lines = [
        _(
            "An average customer of today will come about %(visits)s times in the next 12 months. We are 95 percent"
            " sure that the average is between %(low)s and %(high)s.",
            visits=number(result["visits"]),
            low=number(low),
            high=number(high),
        )
    ]
    if has_money:

        def money(value: float) -> str:
            return speak.format_money(Money(round(value), currency))

        low, high = result["value_range_minor"]
        lines.append(
            _(
                "That is about %(value)s each, surely between %(low)s and %(high)s. So much may a returning customer be"
                " worth to you, before costs.",
                value=money(result["value_minor"]),
                low=money(low),
                high=money(high),
            )
        )
    lines.append(
        _(
            "Somebody who comes for the first time today will come back about %(visits)s times within a year.",
            visits=number(result["newcomer_visits"]),
        )
    )
    return Block(_("In plain words"), " ".join(lines))


def _table(result: dict[str, Any], *, has_money: bool) -> Block:
    def in_major(minor: float) -> float:
        return float(minor / 10 ** currency_exponent(result["currency"]))

    low, high = result["visits_range"]
    rows: list[list[Value]] = [
        [_("Visits per customer, so far"), result["past_visits"], None, None],
        [_("Visits per customer, next 12 months"), result["visits"], low, high],
        [_("Visits of a new customer, next 12 months"), result["newcomer_visits"], None, None],
    ]
    columns = [Column(_("Figure"), "text"), Column(_("Value"), "exact")]
    columns += [Column(_("At least"), "exact"), Column(_("At most"), "exact")]
    text = _(
        "At least and at most: 95 percent sure, as far as the model holds. Days count, so twice on one day"
        " is one visit."
    )
    if has_money:
        low, high = (in_major(bound) for bound in result["value_range_minor"])
        spent, worth = _("Spent per customer, so far"), _("Worth per customer, next 12 months")
        # The column's other rows are visits, so the unit stands beside the name.
        rows.append([f"{spent} ({result['currency']})", in_major(result["past_minor"]), None, None])
        rows.append([f"{worth} ({result['currency']})", in_major(result["value_minor"]), low, high])
    return Block(_("The figures behind it"), text, table=Table("expected", columns, rows))
