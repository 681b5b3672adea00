"""A merchant's usage, read for pages, the operator and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.metering import METER
from app.modules.billing.models import UsageMonth
from app.modules.billing.plans import Plan
from app.modules.billing.rules import is_near, is_reached, month_of
from app.modules.billing.service import find_given, find_plan
from app.modules.merchants.public import get_merchant

MONTHS_SHOWN = 13


@dataclass(frozen=True, slots=True)
class Used:
    """A meter in the month at hand. title: a msg() text. limit: None for none. level: fine, warn or reached.

    only_warns: a limit of it refuses nothing. is_counted: False before the worker's first count of the month.
    """

    meter: str
    title: str
    is_stock: bool
    used: int
    latest: int
    limit: int | None
    level: str
    only_warns: bool = False
    is_counted: bool = True

    @property
    def percent(self) -> int:
        """Return how much of the limit is used, at most 100; 0 where there is none."""
        if self.limit is None:
            return 0
        if self.limit == 0:
            return 100 if self.shown else 0
        return min(100, self.shown * 100 // self.limit)

    @property
    def shown(self) -> int:
        """Return what a limit is held against: what there is, or what happened so far."""
        return self.latest if self.is_stock else self.used


@dataclass(frozen=True, slots=True)
class Usage:
    """What a merchant uses. counted_at: None before the worker's first round. past: earlier months, newest first.

    given: the name of the plan that the operator gave, empty for the default.
    """

    month: date
    plan: Plan | None
    rows: Sequence[Used]
    past: Sequence[tuple[date, dict[str, int]]]
    counted_at: datetime | None
    given: str


def level_of(used: int, limit: int | None) -> str:
    """Return how near a limit is."""
    if limit is None or not is_near(used, limit):
        return "fine"
    return "reached" if is_reached(used, limit) else "warn"


async def read_usage(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> Usage:
    """Return the month at hand as it was last counted, with the plan's limits, and the months before it."""
    merchant, plan = await get_merchant(session, merchant_id), await find_plan(session, merchant_id)
    month = month_of(now, zone=merchant.time_zone)
    meters = sorted(METER.items(), key=lambda item: item[1].order)
    found = await session.scalars(
        select(UsageMonth)
        .where(UsageMonth.merchant_id == merchant_id)
        .order_by(UsageMonth.month.desc(), UsageMonth.meter)
        .limit(MONTHS_SHOWN * max(len(meters), 1))
    )
    months: dict[date, dict[str, UsageMonth]] = {}
    for row in found:
        months.setdefault(row.month, {})[row.meter] = row
    current = months.pop(month, {})
    rows = []
    for name, meter in meters:
        row_now, limit = current.get(name), plan.limits.get(name) if plan else None
        used, latest = (row_now.used, row_now.latest) if row_now else (0, 0)
        level = level_of(latest if meter.is_stock else used, limit)
        told = meter.only_warns, row_now is not None
        rows.append(Used(name, meter.title, meter.is_stock, used, latest, limit, level, *told))
    past = [(over, {name: row.used for name, row in of.items()}) for over, of in months.items()]
    counted = max((row.counted_at for row in current.values()), default=None)
    return Usage(month, plan, rows, past, counted, await find_given(session, merchant_id))
