"""Reads of the roll-ups that are live. Nothing here touches visits, so that no page grows with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.reports import Period
from app.modules.analytics.counting.statements import MEASURES
from app.modules.analytics.models import (
    CustomerValue,
    RollupBalance,
    RollupCohort,
    RollupCustomer,
    RollupDay,
    RollupHour,
    RollupPeople,
    RollupState,
    RollupStore,
)
from app.modules.analytics.rules import People

NOTHING: Mapping[str, float] = dict.fromkeys(MEASURES, 0)


@dataclass(frozen=True, slots=True)
class Books:
    """The roll-ups that a page reads. store_id: one store only."""

    session: AsyncSession
    merchant_id: UUID
    build: int
    store_id: UUID | None = None

    def of(self, table: Any) -> list[Any]:
        """Return the conditions that choose these roll-ups in a table."""
        conditions = [table.merchant_id == self.merchant_id, table.build == self.build]
        if self.store_id is not None and hasattr(table, "store_id"):
            conditions.append(table.store_id == self.store_id)
        limited_to: frozenset[UUID] = self.session.info.get("store_ids", frozenset())
        # Without a store chosen, the sum of those that the signed-in member is limited to.
        if limited_to and hasattr(table, "store_id"):
            conditions.append(table.store_id.in_(limited_to))
        return conditions


@dataclass(frozen=True, slots=True)
class Progress:
    """How the counting stands. build: the live one, None while the first is under way. recounting: a new one is."""

    build: int | None
    recounting: bool


async def find_progress(session: AsyncSession, merchant_id: UUID) -> Progress:
    """Return which roll-ups are live, and whether others are being counted."""
    rows = await session.execute(
        select(RollupState.build, RollupState.live, RollupState.complete).where(
            RollupState.merchant_id == merchant_id
        )
    )
    found = list(rows)
    live = next((row.build for row in found if row.live), None)
    return Progress(live, any(not row.complete for row in found))


def _sums(table: Any) -> list[Any]:
    return [func.coalesce(func.sum(getattr(table, name)), 0).label(name) for name in MEASURES]


async def _rows(books: Books, query: Any) -> Sequence[Any]:
    rows: Sequence[Any] = (await books.session.execute(query)).all()
    return rows


def _measures(row: Any) -> dict[str, float]:
    return {name: int(getattr(row, name)) for name in MEASURES}


async def totals_by_day(books: Books, start: date, end: date) -> dict[date, dict[str, float]]:
    """Return the sums of each day that has any."""
    query = select(RollupStore.day, *_sums(RollupStore)).where(
        *books.of(RollupStore), RollupStore.day.between(start, end)
    )
    return {row.day: _measures(row) for row in await _rows(books, query.group_by(RollupStore.day))}


def add_up(days: Mapping[date, Mapping[str, float]], period: Period) -> dict[str, float]:
    """Return the sums over a period of what totals_by_day gave."""
    within = [cell for day, cell in days.items() if period.start <= day <= period.end]
    return {name: sum(cell[name] for cell in within) for name in MEASURES}


async def so_far(books: Books, days: Sequence[date], *, at: datetime) -> dict[date, dict[str, float]]:
    """Return what each day's sums were up to a time of day; the hour that is running counts in proportion."""
    query = select(RollupHour.day, RollupHour.hour, *_sums(RollupHour)).where(
        *books.of(RollupHour), RollupHour.day.in_(days), RollupHour.hour <= at.hour
    )
    found: dict[date, dict[str, float]] = {day: dict(NOTHING) for day in days}
    share = (at.minute * 60 + at.second) / 3600
    for row in await _rows(books, query.group_by(RollupHour.day, RollupHour.hour)):
        weight = share if row.hour == at.hour else 1
        for name, value in _measures(row).items():
            found[row.day][name] += value * weight
    return found


@dataclass(frozen=True, slots=True)
class Compared:
    """A period's sums and days, and those before. `before` ends at the same time of day; before_days are whole."""

    days: dict[date, dict[str, float]]
    totals: dict[str, float]
    before_days: dict[date, dict[str, float]]
    before: dict[str, float] | None


async def compare_periods(
    books: Books, period: Period, before: Period | None, *, now: datetime, time_zone: str
) -> Compared:
    """Return a period beside the one before. A day that is not over is compared with an equal part of a day."""
    days = await totals_by_day(books, period.start, period.end)
    totals = add_up(days, period)
    if before is None:
        return Compared(days, totals, {}, None)
    before_days = await totals_by_day(books, before.start, before.end)
    local = now.astimezone(ZoneInfo(time_zone))
    cut = await so_far(books, [before.end], at=local) if period.end == local.date() else {}
    return Compared(days, totals, before_days, add_up({**before_days, **cut}, before))


async def weekday_hours(books: Books, period: Period) -> list[tuple[int, int, dict[str, float]]]:
    """Return (weekday from Monday = 0, hour, sums)."""
    weekday = func.extract("isodow", RollupHour.day)
    query = select(weekday.label("weekday"), RollupHour.hour, *_sums(RollupHour)).where(
        *books.of(RollupHour), RollupHour.day.between(period.start, period.end)
    )
    rows = await _rows(books, query.group_by(weekday, RollupHour.hour))
    return [(int(row.weekday) - 1, row.hour, _measures(row)) for row in rows]


async def totals_by(
    books: Books, period: Period, *keys: str
) -> list[tuple[tuple[Any, ...], dict[str, float]]]:
    """Return the sums by store, or by staff member and giver."""
    table = RollupStore if keys == ("store_id",) else RollupDay
    columns = [getattr(table, key) for key in keys]
    query = select(*columns, *_sums(table)).where(
        *books.of(table), table.day.between(period.start, period.end)
    )
    rows = await _rows(books, query.group_by(*columns))
    return [(tuple(getattr(row, key) for key in keys), _measures(row)) for row in rows]


async def list_people(books: Books) -> list[People]:
    """Return how many customers were last there when, after how many visits."""
    query = select(
        RollupPeople.last_day,
        RollupPeople.visits,
        RollupPeople.customers,
        RollupPeople.all_visits,
        RollupPeople.amount_minor,
        RollupPeople.span_days,
        RollupPeople.redeemers,
    ).where(*books.of(RollupPeople), RollupPeople.customers > 0)
    return [People(*row) for row in await _rows(books, query)]


@dataclass(frozen=True, slots=True)
class CohortCell:
    """Customers of a first month, in a month."""

    cohort: date
    month: date
    customers: int
    visits: int
    amount_minor: int


async def list_cohorts(books: Books, *, since: date) -> list[CohortCell]:
    """Return the cells of the first months since a day."""
    query = select(
        RollupCohort.cohort,
        RollupCohort.month,
        RollupCohort.customers,
        RollupCohort.visits,
        RollupCohort.amount_minor,
    ).where(*books.of(RollupCohort), RollupCohort.cohort >= since, RollupCohort.customers > 0)
    ordered = query.order_by(RollupCohort.cohort, RollupCohort.month)
    return [CohortCell(*row) for row in await _rows(books, ordered)]


@dataclass(frozen=True, slots=True)
class Balance:
    """What the cards of a programme hold."""

    program_id: UUID
    cards: int
    stamps: int
    points: int
    ready: int


async def list_balances(books: Books) -> list[Balance]:
    """Return what is open on the cards, by programme."""
    query = select(
        RollupBalance.program_id,
        RollupBalance.cards,
        RollupBalance.stamps,
        RollupBalance.points,
        RollupBalance.ready,
    ).where(*books.of(RollupBalance), RollupBalance.cards > 0)
    return [Balance(*row) for row in await _rows(books, query.order_by(RollupBalance.program_id))]


async def find_value(session: AsyncSession, merchant_id: UUID) -> CustomerValue | None:
    """Return the last fit of what customers are worth."""
    return await session.get(CustomerValue, merchant_id)


async def find_customer(books: Books, customer_id: UUID) -> RollupCustomer | None:
    """Return a customer's roll-up."""
    return await books.session.get(
        RollupCustomer,
        {"merchant_id": books.merchant_id, "build": books.build, "customer_id": customer_id},
    )
