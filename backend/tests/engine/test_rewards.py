"""Redeeming, taking back, expiry: every number exact, every refusal without effect."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.permissions import Principal
from app.modules.points.models import PointsLot
from app.modules.rewards.config import NewReward, create_reward
from app.modules.rewards.models import Redemption, Reward
from app.modules.rewards.service import JUST_REDEEMED
from app.modules.stamps.models import StampEvent
from app.modules.visits.models import Visit

REDEEM_ROUNDS = 5


async def reward_of(shop: Any, kind: str) -> str:
    """Return the id of the shop's reward of this kind."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return str(
            await session.scalar(select(Reward.id).where(Reward.kind == kind).order_by(Reward.threshold))
        )


async def add_reward(shop: Any, clock: Any, **new: Any) -> str:
    """Add a reward through the use case."""
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return str(
            (await create_reward(session, owner, shop.store.id, new=NewReward(**new), now=clock.now())).id
        )


async def test_redeeming_takes_the_threshold_and_answers_with_the_state(open_shop: Any) -> None:
    """A full card of three goes back to zero and a redemption is written."""
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)
    reward = await reward_of(shop, "stamps")

    response = await shop.redeem(card, reward)

    assert response.status_code == 201
    body = response.json()
    assert (body["stamp_count"], body["reward_unlocked"], body["cost"]) == (0, False, 3)
    assert body["reward"]["id"] == reward
    assert body["given_by"] == "Marie"
    assert await shop.count(Redemption) == 1
    assert await shop.count(StampEvent, kind="redeem", stamps_added=-3) == 1
    assert await shop.violations() == []


async def test_points_are_taken_at_the_threshold(open_shop: Any) -> None:
    """118 points less the reward at 100 leaves 18."""
    shop = await open_shop("points")
    card = await shop.card()
    await shop.points(card, "59.90")
    await shop.points(card, "59.90")

    body = (await shop.redeem(card, await reward_of(shop, "points"))).json()

    assert (body["points_balance"], body["cost"]) == (18, 100)
    assert await shop.violations() == []


async def test_too_little_is_refused(open_shop: Any) -> None:
    """One stamp short: refused with what is missing, and nothing happens."""
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=2)

    response = await shop.redeem(card, await reward_of(shop, "stamps"))

    assert (response.status_code, response.json()["code"], response.json()["missing"]) == (
        409,
        "not_enough",
        1,
    )
    assert await shop.count(Redemption) == 0


async def test_an_unknown_reward_is_not_found(open_shop: Any) -> None:
    """An unknown reward and another merchant's get the same answer."""
    shop, other = await open_shop(stamps_needed=3), await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)

    foreign = await shop.redeem(card, await reward_of(other, "stamps"))
    unknown = await shop.redeem(card, str(uuid4()))

    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert await shop.count(Redemption) == 0


async def test_a_hundred_at_once_redeem_once(open_shop: Any) -> None:
    """Pressed on many phones at once, a reward is given once; the others hear that it was just given. Five rounds."""
    shop = await open_shop(stamps_needed=3)
    reward = await reward_of(shop, "stamps")
    assert (await shop.stamp(await shop.card())).status_code == 201  # the PIN is remembered from here on
    for number in range(1, REDEEM_ROUNDS + 1):
        card = await shop.card(stamps=3)

        answers = await asyncio.gather(*(shop.redeem(card, reward) for _ in range(100)))

        codes = [answer.json().get("code", "given") for answer in answers]
        assert (codes.count("given"), codes.count("already_redeemed")) == (1, 99)
        assert await shop.count(Redemption) == number
    assert await shop.violations() == []


async def test_control_without_the_lock_a_reward_is_given_more_than_once(
    open_shop: Any, monkeypatch: Any
) -> None:
    """The card's lock is what makes it once: read without it, several redemptions are written."""
    from app.modules.cards.balances import get_card_row
    from app.modules.rewards import service

    monkeypatch.setattr(service, "lock_card", get_card_row)
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)
    reward = await reward_of(shop, "stamps")
    assert (await shop.stamp(await shop.card())).status_code == 201

    await asyncio.gather(*(shop.redeem(card, reward) for _ in range(100)))

    assert await shop.count(Redemption) > 1


async def test_a_repeat_with_the_same_key_is_one_redemption(open_shop: Any, clock: Any) -> None:
    """The same key answers again, also long after the first; another reward under it is refused."""
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)
    reward = await reward_of(shop, "stamps")
    first = await shop.redeem(card, reward, key="r1")
    clock.advance(hours=5)

    again = await shop.redeem(card, reward, key="r1")

    assert first.json() == again.json()
    assert await shop.count(Redemption) == 1


async def test_after_a_while_the_second_press_is_told_what_is_missing(open_shop: Any, clock: Any) -> None:
    """Two minutes after a redemption the refusal is about the balance again."""
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)
    reward = await reward_of(shop, "stamps")
    await shop.redeem(card, reward)
    assert (await shop.redeem(card, reward)).json()["code"] == "already_redeemed"
    clock.at += JUST_REDEEMED + timedelta(seconds=1)

    assert (await shop.redeem(card, reward)).json()["code"] == "not_enough"


async def test_a_banked_reward_is_taken_first_and_costs_nothing(open_shop: Any) -> None:
    """A card that was carried on keeps its stamps when the banked reward is given."""
    shop = await open_shop(stamps_needed=3, full_card="carry_on", cooldown_minutes=0)
    card = await shop.card(stamps=2)
    await shop.stamp(card, quantity=3)

    body = (await shop.redeem(card, await reward_of(shop, "stamps"))).json()

    assert (body["stamp_count"], body["cost"], body["reward_unlocked"]) == (2, 0, False)
    assert await shop.violations() == []


async def test_a_lower_reward_takes_its_own_threshold(open_shop: Any, clock: Any) -> None:
    """With rewards at three and ten, redeeming the small one takes three."""
    shop = await open_shop(stamps_needed=10)
    small = await add_reward(shop, clock, kind="stamps", threshold=3, title="Biscuit")
    card = await shop.card(stamps=5)

    body = (await shop.redeem(card, small)).json()

    assert (body["stamp_count"], body["cost"]) == (2, 3)


async def test_undoing_a_redemption_gives_everything_back(open_shop: Any) -> None:
    """The stamps return by an entry that names the old one, and the reward is unlocked again."""
    shop = await open_shop(stamps_needed=3)
    card = await shop.card(stamps=3)
    redeemed = (await shop.redeem(card, await reward_of(shop, "stamps"))).json()

    undone = await shop.void("redemptions", redeemed["redemption_id"])
    again = await shop.void("redemptions", redeemed["redemption_id"])

    assert undone.status_code == 201
    assert (undone.json()["stamp_count"], undone.json()["reward_unlocked"]) == (3, True)
    assert again.json()["code"] == "already_voided"
    assert await shop.count(StampEvent, kind="void", stamps_added=3) == 1
    assert await shop.violations() == []


async def test_undoing_a_visit_takes_stamps_points_and_the_cooldown_back(open_shop: Any) -> None:
    """After the undo the card is as before, and the next stamp is possible at once."""
    shop = await open_shop("hybrid", cooldown_minutes=10)
    card = await shop.card()
    visit = (await shop.points(card, "25.00")).json()["visit_id"]

    undone = (await shop.void("visits", visit)).json()
    again = await shop.points(card, "5.00")

    assert (undone["stamp_count"], undone["points_balance"]) == (0, 0)
    assert (again.json()["stamp_count"], again.json()["stamp_refused"]) == (1, None)
    assert await shop.count(Visit, voided_at=None) == 1
    assert await shop.violations() == []


async def test_staff_undo_the_last_visit_for_fifteen_minutes(open_shop: Any, clock: Any) -> None:
    """At fifteen minutes staff may, a second later only a manager; an earlier visit is a manager's, too."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    first = (await shop.stamp(card)).json()["visit_id"]
    second = (await shop.stamp(card)).json()["visit_id"]

    not_last = await shop.void("visits", first)
    clock.advance(minutes=15)
    in_time = await shop.void("visits", second)
    clock.advance(seconds=1)
    late = await shop.void("visits", first)
    by_manager = await shop.void("visits", first, pin=shop.manager_pin)

    assert not_last.json()["code"] == "manager_required"
    assert in_time.json()["stamp_count"] == 1
    assert late.json()["code"] == "void_too_late"
    assert by_manager.json()["stamp_count"] == 0


async def test_spent_points_are_not_taken_back_unless_a_manager_forces_it(open_shop: Any) -> None:
    """A visit whose points were spent is refused; forced by a manager the balance goes below zero."""
    shop = await open_shop("points")
    card = await shop.card()
    visit = (await shop.points(card, "100")).json()["visit_id"]
    await shop.redeem(card, await reward_of(shop, "points"))

    refused = await shop.void("visits", visit)
    cashier_force = await shop.void("visits", visit, force=True)
    forced = await shop.void("visits", visit, pin=shop.manager_pin, force=True)

    assert refused.json()["code"] == "already_spent"
    assert cashier_force.json()["code"] == "already_spent"
    assert forced.json()["points_balance"] == -100
    assert await shop.violations() == []


async def test_a_debt_is_filled_before_points_can_be_spent(open_shop: Any) -> None:
    """After a forced undo at -100, 130 earned points leave 30 and a lot of 30."""
    shop = await open_shop("points")
    card = await shop.card()
    visit = (await shop.points(card, "100")).json()["visit_id"]
    await shop.redeem(card, await reward_of(shop, "points"))
    await shop.void("visits", visit, pin=shop.manager_pin, force=True)

    body = (await shop.points(card, "130")).json()

    assert body["points_balance"] == 30
    assert await shop.count(PointsLot, remaining=30) == 1
    assert await shop.violations() == []


async def test_an_undo_repeated_with_its_key_answers_the_same(open_shop: Any) -> None:
    """The retry of an undo gets the first answer; without the key it is told that it was undone already."""
    shop = await open_shop()
    visit = (await shop.stamp(await shop.card())).json()["visit_id"]
    body = {"store_id": str(shop.store.id), "staff_pin": shop.pin, "reason": "typed twice"}

    first = await shop.client.post(f"/visits/{visit}/void", json=body, headers={"Idempotency-Key": "v1"})
    again = await shop.client.post(f"/visits/{visit}/void", json=body, headers={"Idempotency-Key": "v1"})
    without = await shop.client.post(f"/visits/{visit}/void", json=body)

    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert without.json()["code"] == "already_voided"


async def test_undoing_a_visit_of_a_card_that_was_joined_to_another_takes_it_from_there(
    open_shop: Any, clock: Any
) -> None:
    """After two cards became one, the undo takes the stamp and the points from the one that is left."""
    from app.modules.cards.public import merge_cards

    shop = await open_shop("hybrid", cooldown_minutes=0)
    old, duplicate = await shop.card(), await shop.card()
    await shop.points(old, "20")
    visit = (await shop.points(duplicate, "30")).json()["visit_id"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await merge_cards(
            session, shop.merchant.id, source_id=duplicate.id, target_id=old.id, now=clock.now()
        )

    undone = (await shop.void("visits", visit, pin=shop.manager_pin)).json()

    assert (undone["pass_id"], undone["stamp_count"], undone["points_balance"]) == (str(old.id), 1, 20)
    assert ((await shop.row(duplicate)).stamp_count, (await shop.row(duplicate)).points_balance) == (0, 0)
    assert await shop.violations() == []


async def test_another_stores_visit_is_not_found(open_shop: Any) -> None:
    """A visit of another merchant's store cannot be taken back here."""
    shop, other = await open_shop(), await open_shop()
    visit = (await other.stamp(await other.card())).json()["visit_id"]

    response = await shop.void("visits", visit)

    assert response.json()["code"] == "not_found"
    assert await other.count(Visit, voided_at=None) == 1


async def test_the_nightly_check_names_a_card_whose_total_is_not_its_entries(
    open_shop: Any, clock: Any, process: Any, admin_url: str
) -> None:
    """With the totals true it finds nothing of this shop; with one stamp added by hand it names that card."""
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    from app.db.session import to_async_url
    from app.kernel.jobs import JobContext
    from app.kernel.upkeep import check_all

    shop = await open_shop()
    card = await shop.card()
    await shop.stamp(card)
    context = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    before = await check_all(context)
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE pass_object SET stamp_count = 9 WHERE id = :id"), {"id": card.id}
        )
    await engine.dispose()

    after = await check_all(context)

    assert [found for found in before["stamps"] if found.merchant_id == shop.merchant.id] == []
    found = [violation for violation in after["stamps"] if violation.merchant_id == shop.merchant.id]
    assert [(violation.subject_id, violation.detail) for violation in found] == [
        (card.id, "total 9, entries 1")
    ]


def full_id(text: str) -> Any:
    """Return the id behind its text."""
    from uuid import UUID

    return UUID(text)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 121, None])
async def test_an_undo_needs_a_reason(open_shop: Any, reason: Any) -> None:
    """Without a reason of one to 120 characters nothing is taken back."""
    shop = await open_shop()
    visit = (await shop.stamp(await shop.card())).json()["visit_id"]

    response = await shop.void("visits", visit, reason=reason)

    assert response.status_code == 422
    assert await shop.count(Visit, voided_at=None) == 1
