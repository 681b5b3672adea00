"""Stores and programmes on a real database."""

from __future__ import annotations

from app.db.lookup import find_lookup
from app.db.session import Database, tenant_scope
from app.modules.merchants.factories import make_merchant
from app.modules.rewards.config import list_program_rewards
from app.modules.stores.factories import make_store


async def test_a_stamp_store_comes_with_one_default_reward(database: Database) -> None:
    """A new stamp store has ten stamps, one reward at ten, and is found by its id from outside."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)

    async with tenant_scope(database, merchant.id) as session:
        rewards = await list_program_rewards(session, merchant.id, store.program.id)
        found = await find_lookup(session, "store", str(store.id))
    assert [(reward.kind, reward.threshold, reward.title) for reward in rewards] == [
        ("stamps", 10, "One on the house")
    ]
    assert store.program.stamps_needed == 10
    assert found == (merchant.id, store.id)
    assert store.stamp_url == f"http://testserver/stamp/{store.id}"


async def test_default_rewards_speak_the_merchants_language(database: Database) -> None:
    """The first rewards of a Luxembourgish merchant are in Luxembourgish, whoever made the store."""
    merchant = await make_merchant(database, locale="lb")
    store = await make_store(database, merchant, "hybrid")

    async with tenant_scope(database, merchant.id) as session:
        rewards = await list_program_rewards(session, merchant.id, store.program.id)
    assert [reward.title for reward in rewards] == ["Een op d'Haus", "E klenge Merci"]
