"""Taking a visit back: every entry of it gets its opposite, by the rule of that day, never by today's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.modules.cards.public import PassObject
from app.modules.merchants.public import get_merchant
from app.modules.points.public import PointsEvent, take_points
from app.modules.rewards.public import (
    VOID_REFUSAL,
    VoidCommand,
    VoidedContext,
    VoidGranted,
    VoidingContext,
    VoidWork,
    decide_void,
    is_manager,
    void_once,
)
from app.modules.staff.public import StaffRef
from app.modules.stamps.public import Cause, StampEvent, move_stamps
from app.modules.stores.public import get_store
from app.modules.visits.models import Visit
from app.modules.visits.rules import local_day


async def void_visit(
    session: AsyncSession, store: StoreRef, command: VoidCommand, *, now: datetime
) -> VoidGranted | Refusal:
    """Take a visit back: the last one for 15 minutes, a manager any time. Raises NotFound.

    Refusals besides the PIN's: already_voided, void_too_late, manager_required, and already_spent where a manager
    has not asked to force it.
    """
    found = await _find_visit(session, store, command.target_id)
    return await void_once(
        session, store, command, route="void-visit", pass_id=found.pass_id, work=_void, now=now
    )


async def _void(work: VoidWork) -> VoidGranted | Refusal:
    session, store, command, staff, now = work.session, work.store, work.command, work.staff, work.now
    card = await work.lock_card()
    visit = await _find_visit(session, store, command.target_id)
    last = await _last_visit(session, card)
    refusal = decide_void(
        happened_at=visit.at,
        voided=visit.voided_at is not None,
        is_last=last is not None and last.id == visit.id,
        by_manager=is_manager(staff),
        now=now,
    )
    if refusal is not None:
        return refusal
    place = await get_store(session, store)
    forced = command.force and is_manager(staff)
    merchant = await get_merchant(session, store.merchant_id)
    asked = VoidingContext(
        session=session,
        merchant_id=card.merchant_id,
        pass_id=card.id,
        visit_id=visit.id,
        lines=visit.explanation,
        now=now,
        modules_on=merchant.modules_on,
        forced=forced,
    )
    refusals = await VOID_REFUSAL.gather(asked)
    if refusals:
        return refusals[0]
    taken = await _take_back(session, card, visit, staff=staff, command=command, now=now)
    if isinstance(taken, Refusal):
        return taken
    visit.voided_at, visit.voided_by, visit.void_reason = now, staff.id, command.reason
    await session.flush()  # the queries below must not find this visit any more
    await _turn_back_times(session, card, visit, time_zone=place.time_zone)
    told = VoidedContext(
        session=session,
        merchant_id=card.merchant_id,
        pass_id=card.id,
        visit_id=visit.id,
        redemption_id=None,
        stamps=-visit.stamps,
        points=-visit.points,
        now=now,
        modules_on=merchant.modules_on,
        store_id=visit.store_id,
        customer_id=card.customer_id,
        amount_minor=visit.amount_minor,
        currency=visit.currency,
        lines=visit.explanation,
        forced=forced,
    )
    answer = await work.finish(card, place, told)
    return VoidGranted(answer | {"visit_id": str(visit.id)})


async def _find_visit(session: AsyncSession, store: StoreRef, visit_id: UUID) -> Visit:
    visit = await session.scalar(
        select(Visit)
        .where(Visit.merchant_id == store.merchant_id, Visit.id == visit_id, Visit.store_id == store.id)
        .execution_options(populate_existing=True)
    )
    if visit is None:
        raise NotFound("visit")
    return visit


async def _last_visit(session: AsyncSession, card: PassObject, *, with_stamps: bool = False) -> Visit | None:
    query = select(Visit).where(
        Visit.merchant_id == card.merchant_id, Visit.pass_id == card.id, Visit.voided_at.is_(None)
    )
    if with_stamps:
        query = query.where(Visit.stamps > 0)
    visit: Visit | None = await session.scalar(query.order_by(Visit.id.desc()).limit(1))
    return visit


async def _take_back(
    session: AsyncSession,
    card: PassObject,
    visit: Visit,
    *,
    staff: StaffRef,
    command: VoidCommand,
    now: datetime,
) -> Refusal | None:
    stamps = await _entries(session, StampEvent, visit)
    points = await _entries(session, PointsEvent, visit)
    banked = [entry for entry in stamps if entry.kind == "bank"]
    is_banked_there = all(
        int(card.rewards_banked.get(entry.rule["reward_id"], 0)) >= int(entry.rule["banked"])
        for entry in banked
    )
    # A banked reward that was redeemed since stays redeemed: only a force takes the stamps all the same.
    taken_back = [entry for entry in stamps if entry.kind != "bank" or is_banked_there]
    stamps_after = card.stamp_count - sum(entry.stamps_added for entry in taken_back)
    points_after = card.points_balance - sum(entry.points_added for entry in points)
    is_spent = stamps_after < min(0, card.stamp_count) or points_after < min(0, card.points_balance)
    if (is_spent or not is_banked_there) and not (command.force and is_manager(staff)):
        return Refusal("already_spent")
    for entry in taken_back:
        cause = Cause("void", visit.store_id, visit_id=visit.id, staff_id=staff.id, voids=entry.id)
        move_stamps(session, card, stamps=-entry.stamps_added, cause=cause, now=now)
        if entry.kind == "bank":
            reward_id, count = entry.rule["reward_id"], int(entry.rule["banked"])
            left = int(card.rewards_banked[reward_id]) - count
            others = {key: value for key, value in card.rewards_banked.items() if key != reward_id}
            card.rewards_banked = others | ({reward_id: left} if left else {})
    for entry in points:
        cause = Cause("void", visit.store_id, visit_id=visit.id, staff_id=staff.id, voids=entry.id)
        await take_points(session, card, points=entry.points_added, cause=cause, now=now, first=[entry.id])
    return None


async def _entries(session: AsyncSession, ledger: Any, visit: Visit) -> list[Any]:
    rows = await session.scalars(
        select(ledger)
        .where(
            ledger.merchant_id == visit.merchant_id,
            ledger.pass_id == visit.pass_id,
            ledger.visit_id == visit.id,
            ledger.kind.in_(("earn", "bank")),
        )
        .order_by(ledger.id)
    )
    return list(rows)


async def _turn_back_times(session: AsyncSession, card: PassObject, visit: Visit, *, time_zone: str) -> None:
    """Put cooldown, last visit and the day's count back to what they would be without the visit."""
    if card.visits_day == local_day(visit.at, time_zone):
        card.visits_today = max(0, card.visits_today - 1)
    last = await _last_visit(session, card)
    card.last_visit_at = last.at if last else None
    last_stamp = await _last_visit(session, card, with_stamps=True)
    card.last_stamp_at = last_stamp.at if last_stamp else None
    if card.stamp_count > 0 and card.first_stamp_at is None:
        card.first_stamp_at = card.last_stamp_at
