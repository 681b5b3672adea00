"""The one definition of each figure: its name, how it is written, and what it counts, in words people understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.reports import Column, Figure, Value
from app.modules.analytics.rules import ratio_of

Totals = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure. better: in which direction it is good news."""

    title: str
    about: str
    kind: str = "count"
    better: str = "up"


FIGURES: dict[str, Definition] = {
    "visits": Definition(
        msg("Visits"), msg("Stamps and purchases that were accepted; what was undone is not counted.")
    ),
    "new": Definition(
        msg("New customers"), msg("Customers whose very first visit was in this time, over all their cards.")
    ),
    "returning": Definition(
        msg("Returning visits"),
        msg("Visits of customers who had been there before: all visits but the very first."),
    ),
    "cards": Definition(msg("New cards"), msg("Cards that customers started; joined duplicates count once.")),
    "stamps": Definition(msg("Stamps"), msg("Stamps given with these visits.")),
    "points": Definition(msg("Points"), msg("Points given with these visits.")),
    "rewards": Definition(msg("Rewards"), msg("Rewards handed out; what was undone is not counted.")),
    "sales": Definition(
        msg("Sales"), msg("Amounts that were typed in or sent by the till, in your currency."), "money"
    ),
    "purchases": Definition(msg("Purchases"), msg("Visits that came with an amount.")),
    "average": Definition(
        msg("Average spend"), msg("Sales divided by the visits that came with an amount."), "money"
    ),
    "stamp_rate": Definition(
        msg("Stamps redeemed"),
        msg("Stamps spent on rewards, of a hundred given in the same time."),
        "percent",
        "",
    ),
    "point_rate": Definition(
        msg("Points redeemed"),
        msg("Points spent on rewards, of a hundred given in the same time."),
        "percent",
        "",
    ),
    "customers": Definition(
        msg("Customers"), msg("Everybody with a card, whether they have been there yet or not.")
    ),
    "came_back": Definition(
        msg("Came back"),
        msg("Of the customers who have been there, those who came at least twice."),
        "percent",
    ),
    "per_customer": Definition(
        msg("Visits per customer"), msg("All visits divided by the customers who have been there."), "decimal"
    ),
    "gap": Definition(
        msg("Days between visits"),
        msg(
            "From the first to the last visit of customers who came back, divided by the returns in between."
        ),
        "decimal",
        "",
    ),
    "redeemers": Definition(
        msg("Got a reward"),
        msg("Of the customers who have been there, those who were handed a reward at least once."),
        "percent",
    ),
    "spent_so_far": Definition(
        msg("Spent so far"), msg("All sales divided by the customers who have been there."), "money"
    ),
    "spent_by_one": Definition(
        msg("Spent in all"),
        msg("All amounts of this customer's visits, in your currency; what was undone is not counted."),
        "money",
    ),
    "alive": Definition(
        msg("Still with you"),
        msg("How many of your customers will probably come again, as far as the model knows."),
    ),
    "visits_expected": Definition(
        msg("Visits in the next 12 months"),
        msg(
            "Learned from when each of your customers came (the BG/NBD model). Twice on one day is one visit here."
        ),
        "decimal",
    ),
    "value_expected": Definition(
        msg("Worth in the next 12 months"),
        msg(
            "The visits to expect, times what a customer spends on a day, learned from the amounts (the Gamma-Gamma"
            " model). Before costs."
        ),
        "money",
    ),
    "value_of_all": Definition(
        msg("All customers together"),
        msg("What all your customers of today are worth in the next 12 months."),
        "money",
    ),
    "ready": Definition(
        msg("Rewards waiting"), msg("Cards on which a reward could be redeemed now."), better=""
    ),
    "stamps_open": Definition(
        msg("Stamps on cards"), msg("Stamps that customers hold and have not redeemed."), better=""
    ),
    "points_open": Definition(
        msg("Points on cards"), msg("Points that customers hold and have not redeemed."), better=""
    ),
}


def values_of(totals: Totals) -> dict[str, Value]:
    """Return every figure of a time from the sums of its roll-ups."""
    return {
        "visits": round(totals["visits"]),
        "new": round(totals["first_visits"]),
        "returning": round(totals["visits"]) - round(totals["first_visits"]),
        "cards": round(totals["new_cards"]),
        "stamps": round(totals["stamps"]),
        "points": round(totals["points"]),
        "rewards": round(totals["redemptions"]),
        "sales": round(totals["amount_minor"]),
        "purchases": round(totals["purchases"]),
        "average": ratio_of(totals["amount_minor"], totals["purchases"]),
        "stamp_rate": ratio_of(totals["stamps_spent"], totals["stamps"]),
        "point_rate": ratio_of(totals["points_spent"], totals["points"]),
    }


def title_of(key: str) -> str:
    """Return a figure's name in the reader's language."""
    return _(FIGURES[key].title)


def figure(key: str, value: Value, *, before: Value = None, note: str = "") -> Figure:
    """Return a figure with its name and explanation in the reader's language."""
    known = FIGURES[key]
    return Figure(
        _(known.title), value, known.kind, _(known.about), before=before, better=known.better, note=note
    )


def column(key: str) -> Column:
    """Return a table's column of a figure."""
    known = FIGURES[key]
    return Column(_(known.title), known.kind, _(known.about))


def shown_keys(kinds: frozenset[str], *, with_sales: bool) -> list[str]:
    """Return the figures that a business has; kinds are the loyalty types of its stores."""
    keys = ["visits", "new", "returning"]
    if kinds & {"stamps", "hybrid"}:
        keys.append("stamps")
    if kinds & {"points", "hybrid"}:
        keys.append("points")
    keys += ["rewards", "cards"]
    return [*keys, "sales", "average"] if with_sales else keys
