"""What one customer is worth: the fitted models asked about a single history. Pure, and without numerical libraries.

The web process asks this, so nothing heavy may be loaded. Sources as in model.py; what becomes of one person is drawn
from the models' own posterior: Fader, Hardie and Lee (2005), section 4, and Fader and Hardie (2013), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from random import Random

DRAWS = 400
SEED = 20261120
# Eight of ten futures lie between these.
LIKELY = (0.1, 0.9)
# A person who was there on fewer days has told less about themselves than the shop's average has.
DAYS_MIN = 3
TERMS_MAX = 20_000
# How many days with a visit the shop's share of paid ones weighs, beside the person's own.
SHARE_WEIGHT = 2
# A regular of every day, for a year; who would come more often is not drawn further.
VISITS_DRAWN_MAX = 400


@dataclass(frozen=True, slots=True)
class Habits:
    """What the fit says about all customers. p, q, v: of the spending; None where amounts are not known.

    paid_share: of the days on which somebody came back, those with an amount. flat_minor: what a paid day is worth
    where customers do not differ.
    """

    r: float
    alpha: float
    a: float
    b: float
    spending: tuple[float, float, float] | None
    flat_minor: float | None
    paid_share: float

    def without_money(self) -> Habits:
        """Return them for a shop whose currency has changed since."""
        return replace(self, spending=None, flat_minor=None)


@dataclass(frozen=True, slots=True)
class History:
    """One person. days: on which they were there; t_x: weeks from the first to the last; age: to today.

    paid_days, mean_minor: the days after the first that came with an amount, and what one was worth.
    """

    days: int
    t_x: float
    age: float
    paid_days: int
    mean_minor: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What to expect. alive: how likely they come again at all. The ranges hold eight of ten futures."""

    alive: float
    visits: float
    visits_range: tuple[int, int]
    value_minor: float | None
    value_range_minor: tuple[int, int] | None


def habits_of(result: Mapping[str, object]) -> Habits | None:
    """Return the habits that a fit found; None for one that found none, or was kept before it said all of this."""
    named, money = result.get("bgnbd"), result.get("gamma_gamma")
    share, flat = result.get("paid_share"), result.get("flat_minor")
    if result.get("status") != "ok" or not isinstance(named, dict) or not isinstance(share, int | float):
        return None
    spending = (money["p"], money["q"], money["v"]) if isinstance(money, dict) else None
    flat_minor = float(flat) if isinstance(flat, int | float) else None
    return Habits(named["r"], named["alpha"], named["a"], named["b"], spending, flat_minor, float(share))


def look_ahead(habits: Habits, history: History, *, weeks: float) -> Outlook | None:
    """Return what to expect of a person in the weeks to come; None where the history says too little."""
    if history.days < DAYS_MIN:
        return None
    x = history.days - 1
    alive = chance_alive(habits, history)
    visits = alive * _visits_if_alive(habits, x, history.age, weeks)
    if not isfinite(visits):
        return None
    worth = _worth_of_a_day(habits, history)
    value = None if worth is None else visits * _paid_share(habits, history) * worth
    futures = _draw_futures(habits, history, weeks=weeks, alive=alive)
    return Outlook(
        alive=alive,
        visits=visits,
        visits_range=_likely(sorted(count for count, _minor in futures)),
        value_minor=value,
        value_range_minor=None if value is None else _likely(sorted(round(minor) for _n, minor in futures)),
    )


def _likely(ordered: list[int]) -> tuple[int, int]:
    low, high = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in LIKELY)
    return low, high


def chance_alive(habits: Habits, history: History) -> float:
    """Return how likely somebody who came back goes on coming."""
    x = history.days - 1
    passed = (habits.alpha + history.age) / (habits.alpha + history.t_x)
    gone: float = habits.a / (habits.b + x - 1) * passed ** (habits.r + x)
    return 1 / (1 + gone)


def _visits_if_alive(habits: Habits, x: int, age: float, weeks: float) -> float:
    """Return E[Y(t)] of somebody who is still a customer.

    By Euler's transformation the powers that grow with x cancel, so that a history of hundreds of visits is computed
    as exactly as one of three.
    """
    # a = 1 is a pole of the expression, not of what it describes.
    a = habits.a if abs(habits.a - 1) > 1e-6 else 1 + 1e-6
    c = a + habits.b + x - 1
    z = weeks / (habits.alpha + age + weeks)
    stays: float = (1 - z) ** (a - 1)
    return c / (a - 1) * (1 - stays * _series(c - habits.r - x, a - 1, c, z))


def _series(first: float, second: float, third: float, z: float) -> float:
    """Return Gauss's hypergeometric series; z is below 1."""
    total = term = 1.0
    for n in range(TERMS_MAX):
        term *= (first + n) * (second + n) / ((third + n) * (n + 1)) * z
        total += term
        if abs(term) < 1e-14 * abs(total):
            break
    return total


def _paid_share(habits: Habits, history: History) -> float:
    """Return on what share of the days an amount is to be expected: the person's own, drawn towards the shop's."""
    known = history.days - 1 + SHARE_WEIGHT
    return (history.paid_days + SHARE_WEIGHT * habits.paid_share) / known


def _worth_of_a_day(habits: Habits, history: History) -> float | None:
    """Return what a paid day is worth; None for somebody with whom no amount was ever typed in."""
    if history.paid_days == 0:
        return None
    if habits.spending is None:
        return habits.flat_minor
    p, q, v = habits.spending
    return p * (v + history.paid_days * history.mean_minor) / (p * history.paid_days + max(q, 1.001) - 1)


def _draw_futures(habits: Habits, history: History, *, weeks: float, alive: float) -> list[tuple[int, float]]:
    """Return (visits, spending) of so many futures that a person with this history may have."""
    made = Random(SEED)  # noqa: S311 (the same figure each time a page is opened)
    x = history.days - 1
    futures = []
    for _draw in range(DRAWS):
        count = 0
        if made.random() < alive:
            rate = made.gammavariate(habits.r + x, 1 / (habits.alpha + history.age))
            leaves = made.betavariate(habits.a, habits.b + x)
            at = made.expovariate(rate)
            while at < weeks and count < VISITS_DRAWN_MAX:
                count += 1
                if made.random() < leaves:
                    break
                at += made.expovariate(rate)
        futures.append((count, _draw_spending(habits, history, made, visits=count)))
    return futures


def _draw_spending(habits: Habits, history: History, made: Random, *, visits: int) -> float:
    share = _paid_share(habits, history)
    paid = sum(made.random() < share for _visit in range(visits))
    if not paid or not history.paid_days:
        return 0.0
    if habits.spending is None:
        return paid * (habits.flat_minor or 0.0)
    p, q, v = habits.spending
    spread = made.gammavariate(q + p * history.paid_days, 1 / (v + history.paid_days * history.mean_minor))
    return made.gammavariate(p * paid, 1 / spread)
