"""Answering whether there is room, counting a month, and closing it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.locks import lock_name
from app.kernel.metering import METER, USAGE_TOLD, Counting, LimitAnswer, LimitAsk, Meter, UsageTold
from app.modules.billing.models import BillingAccount, UsageMonth
from app.modules.billing.plans import Plan, Plans
from app.modules.billing.rules import LAST_ZONE, bounds_of, is_near, is_reached, judge, month_of
from app.modules.merchants.public import MerchantView, get_merchant


async def find_plan(session: AsyncSession, merchant_id: UUID) -> Plan | None:
    """Return the merchant's plan, or None where nothing is limited."""
    plans = resources_of(session).get(Plans)
    if not plans.plans:
        return None
    return plans.plan_for(await find_given(session, merchant_id))


async def find_given(session: AsyncSession, merchant_id: UUID) -> str:
    """Return the name of the plan that the operator gave; empty for none."""
    statement = select(BillingAccount.plan).where(BillingAccount.merchant_id == merchant_id)
    return await session.scalar(statement) or ""


async def answer_limit(ask: LimitAsk) -> list[LimitAnswer]:
    """Say whether the plan has room; what takes room is told one after the other, so that two never share it."""
    plan = await find_plan(ask.session, ask.merchant_id)
    meter, limit = METER.find(ask.meter), plan.limits.get(ask.meter) if plan else None
    if plan is None or meter is None or limit is None:
        return []
    if ask.takes:
        await lock_name(ask.session, "billing.room", ask.merchant_id, ask.meter)
    merchant = await get_merchant(ask.session, ask.merchant_id)
    month = month_of(ask.now, zone=merchant.time_zone)
    used = await _used_now(ask.session, merchant, (ask.meter, meter), month=month, exact=ask.takes)
    level = judge(used, limit, more=ask.more)
    if level == "refuse" and not ask.takes:
        # What was kept may be an hour old: who is refused is refused by what there is.
        used = await _used_now(ask.session, merchant, (ask.meter, meter), month=month, exact=True)
        level = judge(used, limit, more=ask.more)
    if ask.takes and level != "refuse":
        row = Count(ask.meter, meter, used + ask.more)
        await _keep(ask.session, merchant, month=month, row=row, plan=plan, now=ask.now)
    return [LimitAnswer(level, used, limit, plan.upgrade_words(), plan.upgrade_url)]


class Count:
    """A meter's fresh count."""

    def __init__(self, name: str, meter: Meter, used: int) -> None:
        self.name, self.meter, self.used = name, meter, used


async def _used_now(
    session: AsyncSession, merchant: MerchantView, named: tuple[str, Meter], *, month: date, exact: bool
) -> int:
    """Count a stock anew; of what happens in a month the row itself keeps count between the worker's rounds.

    exact: False, for a page that anybody may open: what was last kept of a stock is good enough.
    """
    name, meter = named
    if not (meter.is_stock and exact):
        kept = await session.scalar(
            select(UsageMonth.latest if meter.is_stock else UsageMonth.used).where(
                UsageMonth.merchant_id == merchant.id, UsageMonth.month == month, UsageMonth.meter == name
            )
        )
        if kept is not None:
            return kept
    return await _count(session, merchant, meter, month=month)


async def _count(session: AsyncSession, merchant: MerchantView, meter: Meter, *, month: date) -> int:
    since, until = bounds_of(month, zone=merchant.time_zone)
    return await meter.count(Counting(session, merchant.id, since, until))


async def _keep(  # noqa: PLR0913 (a row of the table has these parts)
    session: AsyncSession,
    merchant: MerchantView,
    *,
    month: date,
    row: Count,
    plan: Plan | None,
    now: datetime,
) -> None:
    """Write a count, and tell once a month when a limit came near or was reached."""
    used = row.used
    statement = insert(UsageMonth).values(
        merchant_id=merchant.id, month=month, meter=row.name, used=used, latest=used, counted_at=now
    )
    highest = func.greatest(UsageMonth.used, statement.excluded.used)
    changed = {
        "used": highest if row.meter.is_stock else statement.excluded.used,
        "latest": statement.excluded.latest,
        "counted_at": now,
    }
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id", "month", "meter"],
            set_=changed,
            where=UsageMonth.closed_at.is_(None),
        )
    )
    limit = plan.limits.get(row.name) if plan else None
    if limit is None:
        return
    facts = {"meter": row.name, "used": used, "limit": limit}
    for event, column, is_so in (
        ("usage.warned", UsageMonth.warned_at, is_near(used, limit)),
        ("usage.reached", UsageMonth.reached_at, is_reached(used, limit)),
    ):
        if not is_so:
            continue
        noted = await session.scalar(
            update(UsageMonth)
            .where(
                UsageMonth.merchant_id == merchant.id,
                UsageMonth.month == month,
                UsageMonth.meter == row.name,
                column.is_(None),
            )
            .values({column: now})
            .returning(UsageMonth.meter)
        )
        if noted is not None:
            told = UsageTold(session, merchant.id, event, month, facts, now, merchant.modules_on)
            await USAGE_TOLD.tell(told)


async def count_usage(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Close the months that are over and count every meter of the month at hand, in one transaction."""
    await close_months(session, merchant_id, now=now)
    for name, _meter in METER.items():
        await count_meter(session, merchant_id, name, now=now)


async def count_meter(session: AsyncSession, merchant_id: UUID, name: str, *, now: datetime) -> None:
    """Count one meter of the month at hand; while it counts, nobody takes room of that meter."""
    merchant, plan = await get_merchant(session, merchant_id), await find_plan(session, merchant_id)
    meter, month = METER.get(name), month_of(now, zone=merchant.time_zone)
    if plan is not None and name in plan.limits:
        # Whoever takes room right now is counted first, or comes after this.
        await lock_name(session, "billing.room", merchant_id, name)
    row = Count(name, meter, await _count(session, merchant, meter, month=month))
    await _keep(session, merchant, month=month, row=row, plan=plan, now=now)


async def close_months(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Close the months that are over everywhere, each once: a shop that changes its zone is in none of them again."""
    merchant = await get_merchant(session, merchant_id)
    await _close_before(session, merchant, month=month_of(now, zone=LAST_ZONE), now=now)


async def _close_before(session: AsyncSession, merchant: MerchantView, *, month: date, now: datetime) -> None:
    """Count what happened in months that are over for the last time, and tell each once."""
    rows = await session.scalars(
        select(UsageMonth)
        .where(
            UsageMonth.merchant_id == merchant.id, UsageMonth.month < month, UsageMonth.closed_at.is_(None)
        )
        .order_by(UsageMonth.month, UsageMonth.meter)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    closed: dict[date, dict[str, int]] = defaultdict(dict)
    for row in rows:
        meter = METER.find(row.meter)
        if meter is not None and not meter.is_stock:
            row.used = await _count(session, merchant, meter, month=row.month)
        row.closed_at = now
        closed[row.month][row.meter] = row.used
    await session.flush()  # whoever is told may read the closed month
    for over, usage in closed.items():
        told = UsageTold(
            session, merchant.id, "usage.month_closed", over, {"usage": usage}, now, merchant.modules_on
        )
        await USAGE_TOLD.tell(told)
