"""The same figures twice: from the raw rows, as one would write them without roll-ups, and from the roll-ups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from app.kernel.reports import Period
from app.modules.analytics.queries import Books, list_cohorts, list_people, totals_by, totals_by_day

_MINE = "visit.merchant_id = :m AND visit.voided_at IS NULL"
_WHO = "JOIN pass_object card ON card.merchant_id = visit.merchant_id AND card.id = visit.pass_id"
_LOCAL = "visit.at AT TIME ZONE 'Europe/Luxembourg'"
_FIRSTS = f"""firsts AS (SELECT card.customer_id, min(visit.at) AS at, min({_LOCAL}) AS local
    FROM visit {_WHO} WHERE {_MINE} GROUP BY 1)"""
_BY_CUSTOMER = f"""SELECT card.customer_id, count(*) AS visits, max(visit.at) AS last, sum(visit.amount_minor) AS spent
    FROM visit {_WHO} WHERE {_MINE} GROUP BY 1"""


@dataclass(frozen=True)
class Twice:
    """A figure. raw: SQL over the raw rows; rollups: what our page asks for it. days: how far both look back."""

    raw: str
    rollups: Callable[[Books, Period], Awaitable[Any]]
    days: int = 0


async def _days(books: Books, period: Period) -> Any:
    return await totals_by_day(books, period.start, period.end)


async def _people(books: Books, _period: Period) -> Any:
    return await list_people(books)


async def _cohorts(books: Books, period: Period) -> Any:
    return await list_cohorts(books, since=period.start)


async def _staff(books: Books, period: Period) -> Any:
    return await totals_by(books, period, "staff_id", "given_by")


FIGURES = {
    "daily stamps, 90 days": Twice(
        f"SELECT ({_LOCAL})::date, sum(visit.stamps) FROM visit WHERE {_MINE} AND visit.at >= :since GROUP BY 1",
        _days,
        90,
    ),
    "new and returning, 90 days": Twice(
        f"""WITH {_FIRSTS} SELECT ({_LOCAL})::date, count(*) FILTER (WHERE visit.at = firsts.at),
            count(*) FILTER (WHERE visit.at > firsts.at) FROM visit {_WHO} JOIN firsts USING (customer_id)
            WHERE {_MINE} AND visit.at >= :since GROUP BY 1""",
        _days,
        90,
    ),
    "visit frequency": Twice(f"SELECT visits, count(*) FROM ({_BY_CUSTOMER}) AS people GROUP BY 1", _people),
    "redemption rate a month": Twice(
        f"""SELECT month, sum(spent) / nullif(sum(given), 0) FROM (
            SELECT date_trunc('month', {_LOCAL}) AS month, sum(visit.stamps) AS given, 0 AS spent
            FROM visit WHERE {_MINE} GROUP BY 1
            UNION ALL SELECT date_trunc('month', redeemed_at AT TIME ZONE 'Europe/Luxembourg'), 0, sum(cost)
            FROM redemption WHERE merchant_id = :m AND voided_at IS NULL GROUP BY 1) AS both_sides GROUP BY 1""",
        _days,
        728,
    ),
    "RFM": Twice(
        f"""SELECT r, f, count(*), avg(spent) FROM (SELECT ntile(5) OVER (ORDER BY last) AS r,
            ntile(5) OVER (ORDER BY visits) AS f, spent FROM ({_BY_CUSTOMER}) AS people) AS scored GROUP BY 1, 2""",
        _people,
    ),
    "cohort retention": Twice(
        f"""WITH {_FIRSTS} SELECT date_trunc('month', firsts.local), date_trunc('month', {_LOCAL}),
            count(DISTINCT card.customer_id) FROM visit {_WHO} JOIN firsts USING (customer_id) WHERE {_MINE}
            GROUP BY 1, 2""",
        _cohorts,
        728,
    ),
    "lifetime value by cohort": Twice(
        f"""WITH {_FIRSTS} SELECT date_trunc('month', firsts.local), sum(visit.amount_minor),
            count(DISTINCT card.customer_id) FROM visit {_WHO} JOIN firsts USING (customer_id) WHERE {_MINE}
            GROUP BY 1""",
        _cohorts,
        728,
    ),
    "staff, 30 days": Twice(
        f"""SELECT visit.staff_id, count(*), sum(visit.stamps), sum(visit.amount_minor) FROM visit
            WHERE {_MINE} AND visit.at >= :since GROUP BY 1""",
        _staff,
        30,
    ),
    "active customers, 30 days": Twice(
        f"SELECT count(DISTINCT card.customer_id) FROM visit {_WHO} WHERE {_MINE} AND visit.at >= :since",
        _people,
        30,
    ),
}


def period_of(figure: Twice, today: date) -> Period:
    """Return the days that a figure looks at."""
    return Period(today - timedelta(days=max(0, figure.days - 1)), today)
