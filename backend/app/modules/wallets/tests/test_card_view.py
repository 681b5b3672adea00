"""The neutral view of a card, read from the database."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.errors import NotFound
from app.kernel.points import CardContext
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.rewards.models import Reward
from app.modules.stores.factories import make_store
from app.modules.wallets import hooks
from app.modules.wallets.public import CardView, PassField, card_view
from app.utils.id_generator import new_id


async def view_of(database: Database, clock: FixedClock, *, locale: str = "en", **over: object) -> CardView:
    """Make a shop with a card and return the card's view."""
    loyalty_type = str(over.pop("loyalty_type", "stamps"))
    store_over = over.pop("store", {})
    assert isinstance(store_over, dict)
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, loyalty_type, **store_over)
    card = await make_card(database, store, **over)  # type: ignore[arg-type]
    async with tenant_scope(database, merchant.id) as session:
        known = {
            "merchant_id": merchant.id,
            "program_id": store.program.id,
            "reward_kind": "free_item",
            "active": True,
        }
        for kind, threshold, title in (("stamps", 10, "Free coffee"), ("points", 100, "Cake")):
            if loyalty_type in {kind, "hybrid"}:
                values = {"id": new_id(), "kind": kind, "threshold": threshold, "title": title}
                await session.execute(insert(Reward).values(**known, **values))
        return await card_view(session, merchant.id, card.id, locale=locale, now=clock.now())


async def test_a_stamp_card_is_described_whole(database: Database, clock: FixedClock) -> None:
    """Seven of ten stamps: names, numbers, the reward ahead, and what a change says."""
    view = await view_of(database, clock, stamps=7, name="Anna Müller")

    assert (view.merchant_name, view.program_name) == ("CoffeeLux", "CoffeeLux Gare")
    assert (view.stamp_count, view.stamps_needed, view.points_balance) == (7, 10, 0)
    assert view.next_reward is not None
    assert (view.next_reward.distance, view.next_reward.unit) == (3, "stamps")
    assert view.next_reward.text == "3 stamps to go"
    assert view.change_message == "You now have 7 of 10 stamps"
    assert view.customer_name == "Anna Müller"
    assert view.barcode_text == view.card_number
    assert view.card_number_printed.replace(" ", "") == view.card_number
    assert [(field.key, field.value) for field in view.fields] == [
        ("message", "Nothing new at the moment"),
        ("stamps", "7 / 10"),
        ("holder", "Anna Müller"),
    ]
    assert view.status == "active"
    assert not view.is_full


async def test_a_points_card_shows_points_only(database: Database, clock: FixedClock) -> None:
    """No stamps field on a points card; the distance is in points."""
    view = await view_of(database, clock, loyalty_type="points", points=60)

    assert [(field.key, field.value, field.place) for field in view.fields[1:]] == [("points", 60, "header")]
    assert view.change_message == "You now have 60 points"
    assert view.next_reward is not None
    assert view.next_reward.text == "40 points to go"


async def test_a_hybrid_card_shows_both(database: Database, clock: FixedClock) -> None:
    """The closer reward, by share of its threshold, is the next one."""
    view = await view_of(database, clock, loyalty_type="hybrid", stamps=9, points=20)

    assert [field.key for field in view.fields] == ["message", "stamps", "points"]
    assert view.change_message == "You now have 9 of 10 stamps. You now have 20 points"
    assert view.next_reward is not None
    assert view.next_reward.title == "Free coffee"


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        ("en", "You now have 7 of 10 stamps"),
        ("fr", "Vous avez maintenant 7 tampons sur 10"),
        ("de", "Sie haben jetzt 7 von 10 Stempeln"),
        ("lb", "Dir hutt elo 7 vun 10 Stempelen"),
    ],
)
async def test_the_card_speaks_its_language(
    database: Database, clock: FixedClock, locale: str, message: str
) -> None:
    """The change message is in the language asked for."""
    assert (await view_of(database, clock, stamps=7, locale=locale)).change_message == message


async def test_a_module_adds_a_field(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a module contributes stands on the card, in its order."""

    async def tier(context: CardContext) -> list[PassField]:
        return [PassField("tier", "Level", "Gold", order=15)]

    bound = hooks.PASS_FIELDS.bound
    monkeypatch.setattr(hooks.PASS_FIELDS, "_bound", (*bound, type(bound[0])("tiers", False, 15, tier)))

    view = await view_of(database, clock, name="Bob")

    assert [field.key for field in view.fields] == ["message", "stamps", "tier", "holder"]


async def test_another_merchants_card_is_not_found(database: Database, clock: FixedClock) -> None:
    """A card's id opens nothing in another tenant."""
    view = await view_of(database, clock)
    stranger = await make_merchant(database)

    with pytest.raises(NotFound):
        async with tenant_scope(database, stranger.id) as session:
            await card_view(session, stranger.id, view.pass_id, locale="en", now=clock.now())
