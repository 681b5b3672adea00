"""Gifts: given once for their reason and key, counted by nothing as earned, taken back as they were given."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.kernel.outcomes import Refusal
from app.modules.points.models import PointsEvent
from app.modules.rewards.public import (
    Gift,
    GiftGiven,
    GiftOrder,
    Reward,
    card_state,
    give_gift,
    take_gift_back,
)
from app.modules.stamps.models import StampEvent

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
AT_ONCE = 8


async def give(shop: Any, card: Any, *, key: str = "for 2026", **what: Any) -> GiftGiven | Refusal:
    """Give it, in a transaction of its own."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        order = GiftOrder("birthdays", key, **what)
        return await give_gift(session, shop.merchant.id, card.id, order=order, now=NOW)


async def take_back(shop: Any, *, key: str = "for 2026", forced: bool = False) -> Any:
    """Take it back, in a transaction of its own."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return await take_gift_back(
            session, shop.merchant.id, reason="birthdays", key=key, now=NOW, forced=forced
        )


async def state(shop: Any, card: Any) -> dict[str, Any]:
    """Return the card's state."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return await card_state(session, shop.merchant.id, card.id)


async def entries(shop: Any, ledger: Any, amount: str) -> list[tuple[str, int]]:
    """Return the ledger's entries as (kind, amount), in order."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.scalars(select(ledger).order_by(ledger.id))
        return [(row.kind, getattr(row, amount)) for row in rows]


async def reward_id(shop: Any, kind: str) -> Any:
    """Return the programme's reward of this kind."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return await session.scalar(select(Reward.id).where(Reward.kind == kind))


async def test_a_gift_is_given_once_for_its_key(open_shop: Any) -> None:
    """Eight workers at once, on two cards, give ten points once; another year's are another gift."""
    shop = await open_shop("points")
    cards = [await shop.card(), await shop.card()]

    given = await asyncio.gather(*(give(shop, cards[n % 2], points=10) for n in range(AT_ONCE)))

    assert sorted(one.repeated for one in given if isinstance(one, GiftGiven)) == [False, *[True] * 7]
    assert {one.points for one in given if isinstance(one, GiftGiven)} == {10}
    assert await entries(shop, PointsEvent, "points_added") == [("gift", 10)]
    again = await give(shop, cards[0], key="for 2027", points=10)
    assert isinstance(again, GiftGiven)
    assert not again.repeated
    assert await shop.violations() == []


async def test_stamps_that_do_not_fit_stay_away(open_shop: Any) -> None:
    """Three stamps for a card with one place give one; the full card refuses the next, and its key stays free."""
    shop = await open_shop("stamps")
    card = await shop.card(stamps=9)

    given = await give(shop, card, stamps=3)

    assert isinstance(given, GiftGiven)
    assert given.stamps == 1
    assert (await state(shop, card))["reward_unlocked"] is True
    assert await give(shop, card, key="another", stamps=1) == Refusal("card_full")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(Gift)) == 1
    assert await shop.violations() == []


async def test_stamps_carry_on_and_come_back_again(open_shop: Any) -> None:
    """Where full cards carry on, two stamps on nine bank the reward and leave one; taken back, it is nine again."""
    shop = await open_shop("stamps", full_card="carry_on")
    card = await shop.card(stamps=9)

    await give(shop, card, stamps=2)
    after = await state(shop, card)
    assert (after["stamp_count"], after["rewards"][0]["waiting"]) == (1, 1)

    assert isinstance(await take_back(shop), GiftGiven)
    before = await state(shop, card)
    assert (before["stamp_count"], before["rewards"][0]["waiting"]) == (9, 0)
    assert await take_back(shop) is None
    assert await shop.violations() == []


async def test_a_reward_waits_on_the_card(open_shop: Any) -> None:
    """A reward as a gift is ready at once, is redeemed for nothing, and then cannot be taken back."""
    shop = await open_shop("points")
    card = await shop.card(points=5)
    reward = await reward_id(shop, "points")

    given = await give(shop, card, reward_id=reward)

    assert isinstance(given, GiftGiven)
    assert given.reward_title
    assert (await shop.redeem(card, str(reward))).json()["points_balance"] == 5
    assert await take_back(shop) == Refusal("already_spent")
    assert (await state(shop, card))["points_balance"] == 5


async def test_spent_points_are_taken_back_only_by_who_insists(open_shop: Any) -> None:
    """A hundred points given and redeemed: refused, and nothing moves; forced, the balance falls below zero."""
    shop = await open_shop("points")
    card = await shop.card()
    await give(shop, card, points=100)
    await shop.redeem(card, str(await reward_id(shop, "points")))

    assert await take_back(shop) == Refusal("already_spent")
    assert (await state(shop, card))["points_balance"] == 0
    assert isinstance(await take_back(shop, forced=True), GiftGiven)
    assert (await state(shop, card))["points_balance"] == -100
    assert await entries(shop, StampEvent, "stamps_added") == []
    assert await shop.violations() == []


@pytest.mark.parametrize(
    ("loyalty_type", "what", "columns", "code"),
    [
        ("points", {"stamps": 1}, {}, "wrong_loyalty_type"),
        ("stamps", {"points": 1}, {}, "wrong_loyalty_type"),
        ("stamps", {"stamps": 1}, {"status": "blocked"}, "card_blocked"),
        ("stamps", {"reward_id": "0198c0de-0000-7000-8000-000000000000"}, {}, "reward_inactive"),
        ("hybrid", {}, {}, "invalid"),
    ],
)
async def test_what_a_card_cannot_hold_is_refused(
    open_shop: Any, loyalty_type: str, what: dict[str, Any], columns: dict[str, Any], code: str
) -> None:
    """The refusal names the reason, and neither an entry nor a used key is left."""
    shop = await open_shop(loyalty_type)
    card = await shop.card(columns=columns or None)

    assert await give(shop, card, **what) == Refusal(code)
    assert await entries(shop, PointsEvent, "points_added") == []
    assert await entries(shop, StampEvent, "stamps_added") == []
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(Gift)) == 0
