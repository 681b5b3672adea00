"""Levels in a shop: reached at the till, kept, lost, taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, text

from app.db.session import system_scope, tenant_scope
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.points.models import PointsEvent
from app.modules.rewards.public import GiftOrder, give_gift
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, change_level, change_settings, remove_level
from app.modules.tiers.jobs import weigh_all, weigh_due
from app.modules.tiers.models import TierLevel
from app.modules.tiers.settings import TierSettings
from app.modules.tiers.tests.conftest import GOLD, SILVER, START, Shop
from app.modules.wallets.jobs import poll_marks


async def test_a_level_is_reached_and_multiplies_the_next_visit(shop: Shop) -> None:
    """99.99 is nothing, the cent more is silver with its gift; the next ten euros give 12.5, explained and rounded."""
    card = await shop.card()
    await shop.buy(card, "99.99")
    assert await shop.level(card) is None
    await shop.buy(card, "0.01")
    assert await shop.level(card) == "Silver"

    visit = await shop.buy(card, "10.00")

    assert (visit["points_added"], visit["points_balance"]) == (12, 99 + 0 + 20 + 12)
    assert [(line["rule"], line["points"], line["detail"]) for line in visit["explanation"]] == [
        ("rate", "10", "1"), ("tiers", "2.5", "1.25|Silver"),
    ]  # fmt: skip
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "Silver: points × 1.25" in page.text
    assert "Rounded to whole points" in page.text
    assert "−0.5" in page.text or "-0.5" in page.text


async def test_the_short_way_knows_the_level(shop: Shop) -> None:
    """A PIN that was right before goes the way of two statements, and gives the same points."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    first = await shop.buy(card, "10.00")
    second = await shop.buy(card, "10.00")
    assert first["points_added"] == second["points_added"] == 12


async def test_gifts_corrections_and_spending_move_nobody(shop: Shop) -> None:
    """By points: a gift of 500 qualifies for nothing, and redeeming all points takes no level away."""
    settings = TierSettings(basis="points")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await change_settings(session, shop.owner, settings, now=shop.clock.at)
    card = await shop.card(points=400)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        order = GiftOrder("birthdays", "x", points=500)
        await give_gift(session, shop.merchant.id, card.id, order=order, now=shop.clock.at)
    await shop.weigh(card)
    assert await shop.level(card) is None

    await shop.buy(card, "100.00")
    assert await shop.level(card) == "Silver"
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        reward = await session.scalar(text("SELECT id FROM reward LIMIT 1"))
    body = {"pass_id": str(card.id), "reward_id": str(reward), "staff_pin": shop.pin}
    assert (await shop.client.post(f"/rewards/{shop.store.id}/redeem", json=body)).status_code == 201
    await shop.weigh(card)
    assert await shop.level(card) == "Silver"


async def test_a_refund_waits_for_the_end_of_the_period(shop: Shop) -> None:
    """Gold's purchase is taken back a month later: gold to the end of the year, gone on New Year's Day."""
    card = await shop.card()
    visit = await shop.buy(card, "300.00")
    shop.clock.at = START + timedelta(days=30)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)
    assert await shop.level(card) == "Gold"
    shop.clock.at = datetime(2026, 12, 31, 22, 59, tzinfo=UTC)
    await weigh_due.function(shop.context())
    assert await shop.level(card) == "Gold"

    shop.clock.at = datetime(2026, 12, 31, 23, 1, tzinfo=UTC)  # past midnight in Luxembourg
    await weigh_due.function(shop.context())

    assert await shop.level(card) is None
    assert await shop.moves() == [("2026-11-20", "reached"), ("2027-01-01", "lapsed")]


async def test_a_mistake_undone_at_once_takes_level_and_gift_back(shop: Shop) -> None:
    """10,000 typed for 100: gold and no more after the undo within minutes, with not a point left of it."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    visit = await shop.buy(card, "10000.00")
    assert await shop.level(card) == "Gold"
    shop.clock.at = START + timedelta(minutes=5)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)

    assert await shop.level(card) == "Silver"
    assert [why for _day, why in await shop.moves()] == ["reached", "reached", "corrected"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        total = await session.scalar(select(PassObject.points_balance).where(PassObject.id == card.id))
    assert total == 120


async def test_the_first_level_by_mistake_leaves_nothing(shop: Shop) -> None:
    """Undoing the visit that gave silver takes silver and its gift of twenty points: all is as it was."""
    card = await shop.card()
    visit = await shop.buy(card, "100.00")
    shop.clock.at = START + timedelta(minutes=5)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)
    assert await shop.level(card) is None
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        entries = await session.scalars(select(PointsEvent.points_added).order_by(PointsEvent.id))
        assert sum(entries) == 0


async def test_dearer_and_removed_levels_are_kept_for_the_period(shop: Shop) -> None:
    """Silver at 200 instead of 100, and then removed: who has it keeps it, the till multiplies, others get none."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        silver = await session.scalar(select(TierLevel.id).where(TierLevel.name == "Silver"))
        assert silver is not None
        dearer = LevelDraft("Silver", 20_000, Decimal(2))
        await change_level(session, shop.owner, silver, dearer, now=shop.clock.at)
        await remove_level(session, shop.owner, silver, now=shop.clock.at)
    await weigh_all.function(shop.context())
    assert await shop.level(card) == "Silver"
    assert (await shop.buy(card, "10.00"))["points_added"] == 20
    other = await shop.card()
    await shop.buy(other, "250.00")
    assert await shop.level(other) is None


async def test_older_cards_take_their_place_without_a_gift(shop: Shop) -> None:
    """Cards made before there were levels are placed by what they bought, and nobody gets a gift for it."""
    merchant = await make_merchant(shop.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(shop.database, merchant, "points", visits_per_day=0)
    _, pin = await make_staff(shop.database, store)
    fresh = Shop(shop.process, shop.clock, merchant, store, pin, shop.client, pin)
    card = await fresh.card()
    await fresh.buy(card, "150.00")
    await fresh.switch("tiers")
    shop.clock.at = START + timedelta(days=1)
    await fresh.ladder(SILVER, GOLD)
    assert await fresh.level(card) == "Silver"
    assert await fresh.moves() == []
    async with tenant_scope(fresh.database, merchant.id) as session:
        assert await session.scalar(text("SELECT count(*) FROM gift")) == 0


async def test_the_worker_follows_the_till(shop: Shop) -> None:
    """The refresh mark of a visit leads to a look at the card; of a shop without levels it does not."""
    card = await shop.card()
    body = {"pass_id": str(card.id), "staff_pin": shop.pin, "amount": "100.00"}
    await shop.client.post(f"/points/{shop.store.id}", json=body)
    while await poll_marks(shop.context_of(None)):
        pass
    waiting = text("SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE 'tiers.weigh_card:%' || :card || '%'")
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"card": str(card.id)}) == 1
    await shop.switch()
    other = await shop.card()
    await shop.client.post(f"/points/{shop.store.id}", json=body | {"pass_id": str(other.id)})
    while await poll_marks(shop.context_of(None)):
        pass
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"card": str(other.id)}) == 0
