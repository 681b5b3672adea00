"""Giving a reward out, once, also when two phones press at the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.errors import NotFound
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.modules.cards.public import CardRef, PassObject, find_card, lock_card
from app.modules.merchants.public import get_merchant
from app.modules.points.public import take_points
from app.modules.rewards.expiry import expire_due
from app.modules.rewards.hooks import REDEEMED, REWARD_KIND, RedeemedContext
from app.modules.rewards.models import Redemption
from app.modules.rewards.queries import find_last_redemption, list_rewards, totals_of
from app.modules.rewards.repeat import Repeatable, do_once
from app.modules.rewards.rules import RedemptionGranted, RewardView, decide_redemption
from app.modules.rewards.standing import settle_card
from app.modules.rewards.state import state_answer
from app.modules.staff.public import StaffRef, check_pin
from app.modules.stamps.public import Cause, move_stamps
from app.modules.stores.public import StoreView, get_store
from app.utils.id_generator import new_id

# A second press within this time is told that the reward was just given, not that there is too little.
JUST_REDEEMED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class RedeemCommand:
    """What is asked for. staff: set where a device or an API key was recognised; otherwise the PIN is checked."""

    card: str
    reward_id: UUID
    address: str
    source: str = "customer_phone"
    staff_pin: str | None = None
    staff: StaffRef | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class RedeemGranted:
    """The reward was given, or had been given under the same key. answer: JSON-ready, without names."""

    answer: dict[str, Any]
    given_by: str | None
    replayed: bool = False


async def redeem_reward(
    session: AsyncSession, store: StoreRef, command: RedeemCommand, *, now: datetime
) -> RedeemGranted | Refusal:
    """Give one reward once: from what is banked, else from the balance.

    Raises NotFound for an unknown card or reward, another merchant's or another programme's; no PIN is looked at then.
    """
    place = await get_store(session, store)
    card = await _find_card(session, place, command.card)
    if card.status == "blocked":
        return Refusal("card_blocked")
    rewards = await list_rewards(session, store.merchant_id, card.program_id)
    reward = next((reward for reward in rewards if reward.id == command.reward_id), None)
    if reward is None:
        raise NotFound("reward")
    staff = command.staff or await check_pin(
        session, store, card=card, address=command.address, pin=command.staff_pin or "", now=now
    )
    if isinstance(staff, Refusal):
        return staff
    request = Repeatable(
        "redeem",
        command.idempotency_key,
        card.id,
        {"store": store.id, "card": command.card, "reward": command.reward_id},
    )
    outcome = await do_once(
        session,
        store.merchant_id,
        request,
        staff=staff,
        work=partial(
            _redeem, session, place, card, reward, rewards=rewards, staff=staff, command=command, now=now
        ),
        now=now,
    )
    if isinstance(outcome, Replay):
        return RedeemGranted(outcome.answer, staff.name, replayed=True)
    return outcome


async def _find_card(session: AsyncSession, place: StoreView, text: str) -> CardRef:
    card = await find_card(session, place.merchant_id, text)
    if card is None or card.program_id != place.program.id or place.closed_at is not None:
        raise NotFound("card")
    return card


async def _redeem(  # noqa: PLR0913 - one place gathers what the steps below share
    session: AsyncSession,
    place: StoreView,
    ref: CardRef,
    reward: RewardView,
    *,
    rewards: list[RewardView],
    staff: StaffRef,
    command: RedeemCommand,
    now: datetime,
) -> RedeemGranted | Refusal:
    card = await lock_card(session, place.merchant_id, ref.id)
    if card.status != "active":
        raise NotFound("card")
    if await expire_due(session, card, place.program, time_zone=place.time_zone, now=now):
        await settle_card(session, card, rewards, now=now)
    decided = decide_redemption(totals_of(card), reward)
    if isinstance(decided, Refusal):
        return await _explain(session, card, reward, decided, now=now)
    redemption = _redemption(card, place, reward, decided, staff=staff, command=command, now=now)
    session.add(redemption)
    await _pay(session, card, redemption, decided, now=now)
    await settle_card(session, card, rewards, now=now)
    merchant = await get_merchant(session, place.merchant_id)
    context = RedeemedContext(
        session, card.merchant_id, place.id, card.id, card.customer_id, redemption.id, reward, decided.cost, now,
        merchant.modules_on,
    )  # fmt: skip
    facts = await REWARD_KIND.get(reward.reward_kind).hand_out(context)
    await REDEEMED.tell(context)
    answer = redemption_answer(card, rewards, redemption, reward, stamps_needed=place.program.stamps_needed)
    return RedeemGranted(answer | {"handed_out": dict(facts)}, staff.name)


async def _explain(
    session: AsyncSession, card: PassObject, reward: RewardView, refusal: Refusal, *, now: datetime
) -> Refusal:
    if refusal.code != "not_enough":
        return refusal
    last = await find_last_redemption(session, card.merchant_id, pass_id=card.id, reward_id=reward.id)
    if last is not None and now - last.redeemed_at <= JUST_REDEEMED:
        return Refusal("already_redeemed", extra={"redemption_id": str(last.id)})
    return refusal


def _redemption(  # noqa: PLR0913 - the parts of one row
    card: PassObject,
    place: StoreView,
    reward: RewardView,
    decided: RedemptionGranted,
    *,
    staff: StaffRef,
    command: RedeemCommand,
    now: datetime,
) -> Redemption:
    return Redemption(
        merchant_id=card.merchant_id,
        id=new_id(),
        reward_id=reward.id,
        pass_id=card.id,
        store_id=place.id,
        staff_id=staff.id if staff.via in {"pin", "device", "member"} else None,
        given_by=staff.via,
        device_id=staff.device_id,
        kind=reward.kind,
        cost=decided.cost,
        taken={"pays": decided.pays},
        redeemed_at=now,
    )


async def _pay(
    session: AsyncSession,
    card: PassObject,
    redemption: Redemption,
    decided: RedemptionGranted,
    *,
    now: datetime,
) -> None:
    """Take the price from the card: a banked reward, stamps or points. A kept threshold is remembered for an undo."""
    reward_id = str(redemption.reward_id)
    if decided.pays == "banked":
        left = int(card.rewards_banked[reward_id]) - 1
        others = {key: value for key, value in card.rewards_banked.items() if key != reward_id}
        card.rewards_banked = others | ({reward_id: left} if left else {})
        return
    if decided.pays == "kept":
        redemption.taken = {"pays": "kept", "threshold": decided.cost}
    cause = Cause(
        "redeem", redemption.store_id, redemption_id=redemption.id, staff_id=redemption.staff_id,
        rule={"reward_id": reward_id, "threshold": decided.cost},
    )  # fmt: skip
    if redemption.kind == "stamps":
        move_stamps(session, card, stamps=-decided.cost, cause=cause, now=now)
    else:
        await take_points(session, card, points=decided.cost, cause=cause, now=now)


def redemption_answer(
    card: PassObject,
    rewards: list[RewardView],
    redemption: Redemption,
    reward: RewardView,
    *,
    stamps_needed: int,
) -> dict[str, Any]:
    """Return the redemption with the state after it, JSON-ready."""
    given = {"id": str(reward.id), "kind": reward.kind, "threshold": reward.threshold, "title": reward.title}
    return state_answer(card.id, totals_of(card), rewards, stamps_needed=stamps_needed) | {
        "redemption_id": str(redemption.id),
        "reward": given,
        "cost": redemption.cost,
        "redeemed_at": redemption.redeemed_at.isoformat().replace("+00:00", "Z"),
        "given_by_id": str(redemption.staff_id) if redemption.staff_id else None,
    }
