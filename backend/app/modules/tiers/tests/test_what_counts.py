"""What a later refund leaves, and which points count: the parts of the promise that are easy to get wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import MadeCard
from app.modules.cards.public import PassObject
from app.modules.rewards.public import Gift
from app.modules.tiers.jobs import weigh_due
from app.modules.tiers.settings import TierSettings
from app.modules.tiers.tests.conftest import START, Shop


async def _points(shop: Shop, card: MadeCard) -> int:
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return int(
            await session.scalar(select(PassObject.points_balance).where(PassObject.id == card.id)) or 0
        )


async def _gifts(shop: Shop) -> list[tuple[int, bool]]:
    """Return the gifts that were given, and whether they were taken back."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.scalars(select(Gift).order_by(Gift.id))
        return [(row.points, row.taken_back_at is not None) for row in rows]


async def test_a_later_refund_leaves_the_gift_of_the_level_and_there_is_no_second(shop: Shop) -> None:
    """A month later the visit is taken back: level and gift stay; lost at New Year and reached again: no other gift."""
    card = await shop.card()
    visit = await shop.buy(card, "100.00")
    assert (await shop.level(card), await _points(shop, card)) == ("Silver", 100 + 20)
    shop.clock.at = START + timedelta(days=30)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)
    assert (await shop.level(card), await _points(shop, card)) == ("Silver", 20)

    shop.clock.at = datetime(2026, 12, 31, 23, 1, tzinfo=UTC)  # past midnight in Luxembourg
    await weigh_due.function(shop.context())
    assert (await shop.level(card), await _points(shop, card)) == (None, 20)
    await shop.buy(card, "100.00")

    assert (await shop.level(card), await _points(shop, card)) == ("Silver", 20 + 100)
    assert await _gifts(shop) == [(20, False)]


async def test_points_that_a_level_multiplied_count(shop: Shop) -> None:
    """By points, silver at 100 and gold at 300: 100, then 125, then 75 for sixty euros are gold; for 59.99, 74, not."""
    await shop.ladder(settings=TierSettings(basis="points"))
    short, enough = await shop.card(), await shop.card()
    for card in (short, enough):
        await shop.buy(card, "100.00")
        assert await shop.level(card) == "Silver"
        assert (await shop.buy(card, "100.00"))["points_added"] == 125
    assert (await shop.buy(short, "59.99"))["points_added"] == 74
    assert await shop.level(short) == "Silver"
    assert (await shop.buy(enough, "60.00"))["points_added"] == 75
    assert await shop.level(enough) == "Gold"
