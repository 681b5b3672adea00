"""Giving stamps, points or a reward without a visit: for a birthday, a level reached, a friend brought along.

A gift is given once for its reason and key, whoever asks how often, from however many workers. Its entries are of kind
"gift": nothing that counts what was earned by buying counts them. It can be taken back exactly as it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Keyed
from app.kernel.outcomes import Refusal
from app.modules.cards.public import PassObject, lock_card, lock_card_now
from app.modules.merchants.public import find_standstill
from app.modules.points.public import PointsPolicy, give_points, lot_expiry, take_points
from app.modules.rewards.models import Gift
from app.modules.rewards.queries import list_rewards
from app.modules.rewards.rules import RewardView
from app.modules.rewards.standing import settle_card
from app.modules.stamps.public import (
    Cause,
    StampGranted,
    StampPolicy,
    StampState,
    decide_stamp,
    move_stamps,
)
from app.modules.stores.public import ProgramView, get_program, get_store
from app.utils.id_generator import new_id

# The words for a gift in the history of a card, by its reason; msg() texts.
GIFT_REASON: Keyed[str] = Keyed("GIFT_REASON", about="The words for a gift in the history of a card.")


@dataclass(frozen=True, slots=True)
class GiftOrder:
    """What is to be given. reason: a key of GIFT_REASON. key: what it is for, the same for the same occasion.

    Both together are used once within a merchant: "birthdays" with "<customer id>:2026".
    """

    reason: str
    key: str
    stamps: int = 0
    points: int = 0
    reward_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class GiftGiven:
    """A gift on a card. stamps: those that fitted. repeated: it had been given before, and nothing happened now."""

    id: UUID
    pass_id: UUID
    stamps: int
    points: int
    reward_title: str | None = None
    repeated: bool = False


def decide_gift(
    order: GiftOrder, *, loyalty_type: str, status: str, rewards: list[RewardView]
) -> Refusal | None:
    """Refuse what this card cannot hold: card_blocked, wrong_loyalty_type, reward_inactive, invalid (nothing)."""
    if status != "active":
        return Refusal("card_blocked")
    if not (order.stamps or order.points or order.reward_id):
        return Refusal("invalid")
    if (order.stamps and loyalty_type == "points") or (order.points and loyalty_type == "stamps"):
        return Refusal("wrong_loyalty_type")
    if order.reward_id and not any(one.id == order.reward_id and one.active for one in rewards):
        return Refusal("reward_inactive")
    return None


async def give_gift(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, order: GiftOrder, now: datetime
) -> GiftGiven | Refusal:
    """Give it, once for its reason and key; a repetition answers what was given then. Raises NotFound.

    Stamps that do not fit on a full card stay away; where none fits, the gift is refused as card_full.
    Refusals besides: those of decide_gift, and business_closed in a shop that stands still. After a refusal the key is
    as unused as before.
    """
    assert order.stamps >= 0
    assert order.points >= 0
    card = await lock_card(session, merchant_id, pass_id)
    existing = await find_gift(session, merchant_id, reason=order.reason, key=order.key)
    if existing is not None:
        return _as_given(existing, repeated=True)
    program = await get_program(session, merchant_id, card.program_id)
    rewards = await list_rewards(session, merchant_id, card.program_id)
    refusal = decide_gift(order, loyalty_type=program.loyalty_type, status=card.status, rewards=rewards)
    refusal = refusal or await find_standstill(session, merchant_id)
    stamp = None if refusal else _decide_stamps(card, program, order.stamps, now=now)
    refusal = refusal or (stamp if isinstance(stamp, Refusal) else None)
    if refusal is not None:
        return refusal
    gift_id = new_id()
    if not await _claim(session, card, order, gift_id=gift_id, now=now):
        taken = await find_gift(session, merchant_id, reason=order.reason, key=order.key)
        assert taken is not None
        return _as_given(taken, repeated=True)
    gift = await session.get_one(Gift, (merchant_id, gift_id))
    cause = Cause("gift", card.store_id, rule={"reason": order.reason, "gift": str(gift_id)})
    given: dict[str, Any] = {}
    if isinstance(stamp, StampGranted):
        given |= _give_stamps(session, card, stamp, rewards=rewards, cause=cause, now=now)
    if order.points:
        given["points_entry"] = await _give_points(
            session, card, program, points=order.points, cause=cause, now=now
        )
    if order.reward_id:
        _bank(card, order.reward_id, 1)
        given["reward_title"] = next(one.title for one in rewards if one.id == order.reward_id)
    gift.stamps, gift.given = given.get("stamps", 0), given
    await settle_card(session, card, rewards, now=now)
    return _as_given(gift)


async def take_gift_back(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    reason: str,
    key: str,
    now: datetime,
    forced: bool = False,
) -> GiftGiven | Refusal | None:
    """Take a gift back by entries of its own; None where there is none, or no longer one.

    Its key stays used. Refusal: already_spent, where something of it is gone and nobody insists.
    """
    found = await find_gift(session, merchant_id, reason=reason, key=key)
    if found is None or found.taken_back_at is not None:
        return None
    card = await lock_card_now(session, merchant_id, found.pass_id)
    gift = await session.get_one(Gift, (merchant_id, found.id), populate_existing=True, with_for_update=True)
    if gift.taken_back_at is not None:
        return None
    rewards = await list_rewards(session, merchant_id, card.program_id)
    banked = {UUID(reward): int(count) for reward, count in gift.given.get("banked", {}).items()}
    if gift.reward_id:
        banked[gift.reward_id] = banked.get(gift.reward_id, 0) + 1
    waits = all(int(card.rewards_banked.get(str(reward), 0)) >= count for reward, count in banked.items())
    # A reward that was redeemed since stays redeemed: only who insists takes the stamps all the same.
    net = gift.stamps - (int(gift.given.get("banked_stamps", 0)) if waits else 0)
    is_short = card.stamp_count < max(0, net) or card.points_balance < gift.points
    if (is_short or not waits) and not forced:
        return Refusal("already_spent")
    cause = Cause("gift", card.store_id, rule={"reason": reason, "gift": str(gift.id), "taken_back": True})
    for reward, count in banked.items() if waits else ():
        _bank(card, reward, -count)
    move_stamps(session, card, stamps=-net, cause=cause, now=now)
    if card.stamp_count > 0 and card.first_stamp_at is None:
        card.first_stamp_at = now
    if gift.points:
        entry = UUID(gift.given["points_entry"])
        await take_points(session, card, points=gift.points, cause=cause, now=now, first=[entry])
    gift.taken_back_at = now
    await settle_card(session, card, rewards, now=now)
    return _as_given(gift)


async def find_gift(session: AsyncSession, merchant_id: UUID, *, reason: str, key: str) -> Gift | None:
    """Return the gift for this reason and key, or None."""
    gift: Gift | None = await session.scalar(
        select(Gift).where(Gift.merchant_id == merchant_id, Gift.reason == reason, Gift.key == key)
    )
    return gift


def _as_given(gift: Gift, *, repeated: bool = False) -> GiftGiven:
    title = gift.given.get("reward_title")
    return GiftGiven(gift.id, gift.pass_id, gift.stamps, gift.points, title, repeated)


async def _claim(
    session: AsyncSession, card: PassObject, order: GiftOrder, *, gift_id: UUID, now: datetime
) -> bool:
    """Write the gift's row unless another card got it meanwhile: the unique key decides."""
    statement = (
        insert(Gift)
        .values(
            merchant_id=card.merchant_id,
            id=gift_id,
            pass_id=card.id,
            reason=order.reason,
            key=order.key,
            points=order.points,
            reward_id=order.reward_id,
            given_at=now,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "reason", "key"])
        .returning(Gift.id)
    )
    return (await session.execute(statement)).one_or_none() is not None


def _decide_stamps(
    card: PassObject, program: ProgramView, stamps: int, *, now: datetime
) -> StampGranted | Refusal | None:
    """Decide by the rules of a visit, without a cooldown and without the most that a visit may give."""
    if not stamps:
        return None
    policy = StampPolicy(program.stamps_needed, timedelta(0), stamps, program.full_card)
    return decide_stamp(StampState(card.stamp_count, None), policy, quantity=stamps, now=now)


def _give_stamps(  # noqa: PLR0913 - a card, what it gets, and why
    session: AsyncSession,
    card: PassObject,
    stamp: StampGranted,
    *,
    rewards: list[RewardView],
    cause: Cause,
    now: datetime,
) -> dict[str, Any]:
    move_stamps(session, card, stamps=stamp.stamps_added, cause=cause, now=now)
    given: dict[str, Any] = {"stamps": stamp.stamps_added}
    if stamp.banked:
        reward = max((one for one in rewards if one.kind == "stamps" and one.active), key=_by_threshold)
        taken = card.stamp_count - stamp.stamp_count
        move_stamps(session, card, stamps=-taken, cause=cause, now=now)
        _bank(card, reward.id, stamp.banked)
        given |= {"banked": {str(reward.id): stamp.banked}, "banked_stamps": taken}
    if card.stamp_count > 0 and (card.first_stamp_at is None or stamp.banked):
        card.first_stamp_at = now
    return given


def _by_threshold(reward: RewardView) -> int:
    return reward.threshold


async def _give_points(  # noqa: PLR0913 - a card, what it gets, and why
    session: AsyncSession,
    card: PassObject,
    program: ProgramView,
    *,
    points: int,
    cause: Cause,
    now: datetime,
) -> str:
    store = await get_store(session, card.merchant_id, card.store_id)
    policy = PointsPolicy(
        program.points_per_unit, program.rounding, program.points_expiry, program.points_expiry_months
    )
    expires_at = lot_expiry(policy, earned_at=now, time_zone=store.time_zone)
    entry = await give_points(session, card, points=points, cause=cause, now=now, expires_at=expires_at)
    return str(entry.id)


def _bank(card: PassObject, reward_id: UUID, count: int) -> None:
    waiting = int(card.rewards_banked.get(str(reward_id), 0)) + count
    others = {key: value for key, value in card.rewards_banked.items() if key != str(reward_id)}
    card.rewards_banked = others | ({str(reward_id): waiting} if waiting > 0 else {})
