"""Fitting what customers are worth: reads alike customers together, fits in a thread, keeps the result."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from app.kernel.jobs import JobContext
from app.modules.analytics.models import CustomerValue
from app.modules.analytics.queries import find_progress
from app.modules.merchants.public import get_merchant

# Below these the interval would be wider than the figure.
CUSTOMERS_MIN = 100
RETURNERS_MIN = 30
WEEKS_MIN = 8
PAYERS_MIN = 30
HORIZON_WEEKS = 52
# From here on days are taken together by weeks: the fit does not see the difference, and stays quick.
DAYS_UP_TO_CUSTOMERS = 50_000

_HISTORIES = text(
    """
    SELECT (visit_days - 1)::float8 AS x, ((last_day - first_day) / :unit) * :unit / 7.0::float8 AS t_x,
           ((CAST(:today AS date) - first_day) / :unit) * :unit / 7.0::float8 AS age,
           least(later_paid_days, visit_days - 1)::float8 AS paid_days, count(*)::float8 AS customers,
           coalesce(sum(later_amount_minor) FILTER (WHERE later_paid_days > 0)
               / nullif(sum(later_paid_days), 0), 0)::float8 AS mean_minor,
           sum(amount_minor)::float8 AS amount_minor, sum(visits)::float8 AS visits
    FROM rollup_customer
    WHERE merchant_id = :merchant_id AND build = :build AND visits > 0 AND first_day <= :today
    GROUP BY 1, 2, 3, 4
    """
)
_COUNT = text(
    "SELECT count(*) FROM rollup_customer WHERE merchant_id = :merchant_id AND build = :build AND visits > 0"
)


@dataclass(frozen=True, slots=True)
class Alike:
    """Customers with the same history. mean_minor: what a paid day after the first was worth."""

    x: float
    t_x: float
    age: float
    paid_days: float
    customers: float
    mean_minor: float
    amount_minor: float
    visits: float


async def fit_value(context: JobContext) -> None:
    """Fit the merchant's customers and keep what comes out, also when there is too little to say."""
    merchant_id = context.merchant_id
    assert merchant_id is not None
    now = context.clock.now()
    async with context.session() as session:
        progress = await find_progress(session, merchant_id)
        if progress.build is None:
            return
        merchant = await get_merchant(session, merchant_id)
        today = now.astimezone(ZoneInfo(merchant.time_zone)).date()
        people = await _read(session, merchant_id, progress.build, today=today)
    result = await asyncio.to_thread(_judge, people)
    async with context.session() as session:
        await _keep(session, merchant_id, result | {"currency": merchant.currency}, now=now)


async def _read(session: Any, merchant_id: UUID, build: int, *, today: date) -> list[Alike]:
    whose = {"merchant_id": merchant_id, "build": build}
    customers = await session.scalar(_COUNT, whose)
    unit = 1 if customers <= DAYS_UP_TO_CUSTOMERS else 7
    rows = await session.execute(_HISTORIES, {**whose, "today": today, "unit": unit})
    return [Alike(**{name: float(value) for name, value in row._mapping.items()}) for row in rows]


def _judge(people: list[Alike]) -> dict[str, Any]:
    customers = sum(row.customers for row in people)
    returners = sum(row.customers for row in people if row.x > 0)
    weeks = max((row.age for row in people), default=0.0)
    known = {"customers": round(customers), "returners": round(returners), "weeks": weeks}
    if customers < CUSTOMERS_MIN or returners < RETURNERS_MIN or weeks < WEEKS_MIN:
        return {"status": "too_few", **known}
    # Here and not above: the numerical libraries are large, and only the worker ever comes this way.
    from app.modules.analytics.value.expectation import expect

    return {**known, **expect([asdict(row) for row in people], weeks=HORIZON_WEEKS, payers_min=PAYERS_MIN)}


async def _keep(session: Any, merchant_id: UUID, result: dict[str, Any], *, now: datetime) -> None:
    statement = insert(CustomerValue).values(merchant_id=merchant_id, fitted_at=now, result=result)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id"],
            set_={"fitted_at": statement.excluded.fitted_at, "result": statement.excluded.result},
        )
    )
