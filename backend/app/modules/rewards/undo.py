"""Taking a redemption back: what it took returns, points to their lots with their own expiry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.errors import NotFound
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.modules.cards.public import PassObject, get_card, lock_card_now
from app.modules.merchants.public import get_merchant
from app.modules.points.public import PointsEvent, give_points_back
from app.modules.rewards.hooks import VOIDED, VoidedContext
from app.modules.rewards.models import Redemption
from app.modules.rewards.queries import find_last_redemption, list_rewards, totals_of
from app.modules.rewards.repeat import Repeatable, do_once
from app.modules.rewards.rules import decide_void
from app.modules.rewards.standing import settle_card
from app.modules.rewards.state import state_answer
from app.modules.staff.public import StaffRef, check_pin
from app.modules.stamps.public import Cause, StampEvent, move_stamps
from app.modules.stores.public import StoreView, get_store


@dataclass(frozen=True, slots=True)
class VoidCommand:
    """What is asked for. force: a manager takes back what was spent already; the balance may fall below zero."""

    target_id: UUID
    reason: str
    address: str = ""
    staff_pin: str | None = None
    staff: StaffRef | None = None
    force: bool = False
    idempotency_key: str | None = None

    def repeatable(self, route: str, pass_id: UUID) -> Repeatable:
        """Return what makes this the same request again."""
        body = {"target": self.target_id, "reason": self.reason, "force": self.force}
        return Repeatable(route, self.idempotency_key, pass_id, body)


@dataclass(frozen=True, slots=True)
class VoidGranted:
    """It was taken back. answer: the JSON-ready state after it."""

    answer: dict[str, Any]


def is_manager(staff: StaffRef) -> bool:
    """Tell whether the giver may do what only managers may."""
    return staff.role in {"manager", "owner"}


@dataclass(frozen=True, slots=True)
class VoidWork:
    """A void after its credential was checked: what the two kinds of it share."""

    session: AsyncSession
    store: StoreRef
    command: VoidCommand
    pass_id: UUID
    staff: StaffRef
    now: datetime

    async def lock_card(self) -> PassObject:
        """Lock the card as it is today."""
        return await lock_card_now(self.session, self.store.merchant_id, self.pass_id)

    async def finish(self, card: PassObject, place: StoreView, told: VoidedContext) -> dict[str, Any]:
        """Bring the card in order, tell the other modules, and return the state after that, JSON-ready."""
        rewards = await list_rewards(self.session, card.merchant_id, card.program_id)
        await settle_card(self.session, card, rewards, now=self.now)
        await VOIDED.tell(told)
        state = state_answer(card.id, totals_of(card), rewards, stamps_needed=place.program.stamps_needed)
        return state | {"voided": True}


async def void_once(  # noqa: PLR0913 - the parts of one void
    session: AsyncSession,
    store: StoreRef,
    command: VoidCommand,
    *,
    route: str,
    pass_id: UUID,
    work: Callable[[VoidWork], Awaitable[VoidGranted | Refusal]],
    now: datetime,
) -> VoidGranted | Refusal:
    """Learn who asks (the recognised device or key, else the owner of the PIN), then do the work once a key."""
    staff: StaffRef | Refusal | None = command.staff
    if staff is None:
        card = await get_card(session, store.merchant_id, pass_id)
        pin = command.staff_pin or ""
        staff = await check_pin(session, store, card=card, address=command.address, pin=pin, now=now)
    if isinstance(staff, Refusal):
        return staff
    job = VoidWork(session, store, command, pass_id, staff, now)
    outcome = await do_once(
        session,
        store.merchant_id,
        command.repeatable(route, pass_id),
        staff=staff,
        work=partial(work, job),
        now=now,
    )
    return VoidGranted(outcome.answer) if isinstance(outcome, Replay) else outcome


async def void_redemption(
    session: AsyncSession, store: StoreRef, command: VoidCommand, *, now: datetime
) -> VoidGranted | Refusal:
    """Take a redemption back: the last one for 15 minutes, a manager any time. Raises NotFound."""
    found = await _find_redemption(session, store, command.target_id)
    return await void_once(
        session, store, command, route="void-redemption", pass_id=found.pass_id, work=_void, now=now
    )


async def _void(work: VoidWork) -> VoidGranted | Refusal:
    session, store, command, staff, now = work.session, work.store, work.command, work.staff, work.now
    card = await work.lock_card()
    redemption = await _find_redemption(session, store, command.target_id)
    last = await find_last_redemption(session, card.merchant_id, pass_id=card.id)
    refusal = decide_void(
        happened_at=redemption.redeemed_at,
        voided=redemption.voided_at is not None,
        is_last=last is not None and last.id == redemption.id,
        by_manager=is_manager(staff),
        now=now,
    )
    if refusal is not None:
        return refusal
    redemption.voided_at, redemption.voided_by, redemption.void_reason = now, staff.id, command.reason
    cause = Cause(
        "void", store.id, redemption_id=redemption.id, staff_id=staff.id, rule={"reason": "redemption"}
    )
    await _give_back(session, card, redemption, cause, now=now)
    merchant = await get_merchant(session, store.merchant_id)
    is_stamps = redemption.kind == "stamps"
    told = VoidedContext(
        session=session,
        merchant_id=card.merchant_id,
        pass_id=card.id,
        visit_id=None,
        redemption_id=redemption.id,
        stamps=redemption.cost if is_stamps else 0,
        points=0 if is_stamps else redemption.cost,
        now=now,
        modules_on=merchant.modules_on,
    )
    answer = await work.finish(card, await get_store(session, store), told)
    return VoidGranted(answer | {"redemption_id": str(redemption.id)})


async def _find_redemption(session: AsyncSession, store: StoreRef, redemption_id: UUID) -> Redemption:
    redemption = await session.scalar(
        select(Redemption)
        .where(
            Redemption.merchant_id == store.merchant_id,
            Redemption.id == redemption_id,
            Redemption.store_id == store.id,
        )
        .execution_options(populate_existing=True)
    )
    if redemption is None:
        raise NotFound("redemption")
    return redemption


async def _give_back(
    session: AsyncSession, card: PassObject, redemption: Redemption, cause: Cause, *, now: datetime
) -> None:
    reward_id = str(redemption.reward_id)
    if redemption.taken.get("pays") == "banked":
        waiting = int(card.rewards_banked.get(reward_id, 0)) + 1
        card.rewards_banked = {**card.rewards_banked, reward_id: waiting}
        return
    if redemption.kind == "stamps":
        spent = await _spending_entry(session, StampEvent, redemption)
        cause = Cause(cause.kind, cause.store_id, redemption_id=cause.redemption_id, staff_id=cause.staff_id,
                      voids=spent.id, rule=cause.rule)  # fmt: skip
        move_stamps(session, card, stamps=redemption.cost, cause=cause, now=now)
        if card.first_stamp_at is None:
            # The period of the stamps that came back starts anew: to the customer's good, and simple to say.
            card.first_stamp_at = now
        if redemption.taken.get("pays") == "kept":
            card.rewards_kept = {**card.rewards_kept, reward_id: int(redemption.taken["threshold"])}
        return
    spent = await _spending_entry(session, PointsEvent, redemption)
    cause = Cause(cause.kind, cause.store_id, redemption_id=cause.redemption_id, staff_id=cause.staff_id,
                  voids=spent.id, rule=cause.rule)  # fmt: skip
    await give_points_back(session, card, spent=spent, cause=cause, now=now)


async def _spending_entry(session: AsyncSession, ledger: Any, redemption: Redemption) -> Any:
    return (
        await session.scalars(
            select(ledger).where(
                ledger.merchant_id == redemption.merchant_id,
                ledger.pass_id == redemption.pass_id,
                ledger.redemption_id == redemption.id,
                ledger.kind == "redeem",
            )
        )
    ).one()
