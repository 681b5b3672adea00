"""What is written down: one event for each thing that happened, in its transaction, for who wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.db.session import set_tenant, tenant_scope
from app.modules.cards.public import (
    TIER_CHANGED,
    TierChanged,
    block_card,
    merge_cards,
    unblock_card,
)
from app.modules.customers.public import CustomerDetails, change_details, erase_person, export_person
from app.modules.webhooks.deliveries import forget_old
from app.modules.webhooks.endpoints import delete_endpoint
from app.modules.webhooks.models import WebhookEndpoint, WebhookEvent
from app.modules.webhooks.rules import EVENTS
from app.modules.webhooks.telling.recording import Happened, record_event
from app.modules.webhooks.tests.conftest import Shop
from app.modules.webhooks.words import EXAMPLES

pytestmark = pytest.mark.usefixtures("clock_at_start")


async def told(shop: Shop) -> list[tuple[str, dict[str, Any]]]:
    """Return what was written down, oldest first."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
        return [(row.type, row.data) for row in rows]


async def redeem(shop: Shop, card_id: UUID) -> dict[str, Any]:
    """Give the shop's reward out at the till."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        reward_id = await session.scalar(text("SELECT id FROM reward"))
    body = {"pass_id": str(card_id), "reward_id": str(reward_id), "staff_pin": shop.pin}
    answer = await shop.client.post(f"/rewards/{shop.store.id}/redeem", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def undo(shop: Shop, path: str) -> None:
    """Take something back at the till."""
    body = {"store_id": str(shop.store.id), "staff_pin": shop.pin, "reason": "wrong"}
    answer = await shop.client.post(f"{path}/void", json=body)
    assert answer.status_code == 201, answer.text


async def test_a_card_that_fills_up_is_told_step_by_step(shop: Shop) -> None:
    """Joined, stamped, unlocked with the tenth stamp and not before, redeemed, taken back, undone."""
    card = await shop.card()
    for _visit in range(10):
        visit_id = await shop.stamp(card)
    given = await redeem(shop, card.id)
    await undo(shop, f"/redemptions/{given['redemption_id']}")
    await undo(shop, f"/visits/{visit_id}")

    events = await told(shop)
    assert [kind for kind, _data in events] == [
        "card.joined",
        *(["visit.given"] * 10),
        "reward.unlocked",
        "reward.redeemed",
        "reward.taken_back",
        "visit.undone",
    ]
    by_kind = dict(events)
    assert by_kind["reward.unlocked"]["visit_id"] == by_kind["visit.undone"]["visit_id"] == visit_id
    assert by_kind["reward.redeemed"]["redemption_id"] == given["redemption_id"]
    assert by_kind["reward.taken_back"]["redemption_id"] == given["redemption_id"]
    assert (by_kind["reward.taken_back"]["stamps"], by_kind["visit.undone"]["stamps"]) == (10, -1)
    for kind, data in events:
        assert set(data) == {"merchant_id", *EXAMPLES[kind]}, kind


async def test_cards_and_people_are_told(shop: Shop) -> None:
    """Blocked, works again, changed, merged, another level, erased: each once, with the documented fields."""
    card, other = await shop.card(), await shop.card()
    merchant_id, now = shop.merchant.id, shop.clock.at
    async with tenant_scope(shop.database, merchant_id) as session:
        await block_card(session, merchant_id, card.id, now=now)
        await block_card(session, merchant_id, card.id, now=now)
        await unblock_card(session, merchant_id, card.id, now=now)
        details = CustomerDetails(name="Bea", email="ana@example.com")
        await change_details(session, merchant_id, card.customer_id, details=details, now=now)
        await change_details(session, merchant_id, card.customer_id, details=details, now=now)
        await merge_cards(session, merchant_id, source_id=other.id, target_id=card.id, now=now)
        level = TierChanged(
            session, merchant_id, card.id, None, str(card.id), now=now, modules_on=frozenset({"webhooks"})
        )
        await TIER_CHANGED.tell(level)
        await erase_person(session, merchant_id, card.customer_id)
    events = (await told(shop))[2:]
    assert [kind for kind, _data in events] == [
        "card.blocked",
        "card.unblocked",
        "customer.changed",
        "card.merged",
        "tier.changed",
        "customer.erased",
    ]
    for kind, data in events:
        assert set(data) == {"merchant_id", *EXAMPLES[kind]}, kind
        assert "Bea" not in str(data)
    assert events[2][1]["fields"] == ["name"]
    assert (events[3][1]["pass_id"], events[3][1]["into_pass_id"]) == (str(other.id), str(card.id))


async def test_the_same_thing_is_told_once(shop: Shop) -> None:
    """The unique key decides, for every address."""
    await shop.endpoint()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        for _time in range(2):
            await record_event(session, Happened(shop.merchant.id, "visit.given", shop.clock.at, "one"))
    assert [kind for kind, _data in await told(shop)] == ["visit.given"]
    assert len({line.endpoint_id for line in await shop.deliveries()}) == len(await shop.deliveries()) == 2


async def test_what_is_rolled_back_is_not_told(shop: Shop) -> None:
    """The event is part of the transaction."""
    async with shop.database.sessions() as session:
        await set_tenant(session, shop.merchant.id)
        await record_event(session, Happened(shop.merchant.id, "visit.given", shop.clock.at, "one"))
        await session.rollback()
    assert await told(shop) == []


async def test_an_address_taken_away_meanwhile_fails_no_visit(shop: Shop) -> None:
    """What was under way is written; the row goes later, with it."""
    merchant_id, now = shop.merchant.id, shop.clock.at
    async with shop.database.sessions() as session:
        await set_tenant(session, merchant_id)
        await record_event(session, Happened(merchant_id, "visit.given", now, "one"))
        async with tenant_scope(shop.database, merchant_id) as other:
            await delete_endpoint(other, shop.owner, shop.endpoint_id, now=now)
        await session.commit()
    await shop.work()
    assert shop.receiver.came == []
    assert [line.error for line in await shop.deliveries()] == ["off"]
    async with tenant_scope(shop.database, merchant_id) as session:
        await forget_old(session, merchant_id, now=now + timedelta(hours=2))
        assert await session.get(WebhookEndpoint, (merchant_id, shop.endpoint_id)) is None


async def test_what_nobody_wants_is_not_written(shop: Shop) -> None:
    """Each address gets what it has chosen."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(text("UPDATE webhook_endpoint SET events = '{card.blocked}'"))
    other = await shop.endpoint("card.joined")
    card = await shop.card()
    await shop.stamp(card)
    assert [kind for kind, _data in await told(shop)] == ["card.joined"]
    assert [line.endpoint_id for line in await shop.deliveries()] == [other]


async def test_a_shop_without_the_feature_keeps_the_short_way(shop: Shop) -> None:
    """Off, nobody listens to a visit: it is given without a session, and nothing is written down."""
    from app.modules.visits.public import EARNED

    class Context:
        modules_on: frozenset[str] = frozenset()

    assert not EARNED.has_listeners(Context())
    await shop.switch(is_on=False)
    card = await shop.card()
    await shop.stamp(card)
    assert await told(shop) == []


async def test_a_person_gets_and_loses_what_was_said_about_them(shop: Shop) -> None:
    """The export has the events and the answers; erasing blanks the answers and keeps the ids."""
    card = await shop.card()
    await shop.work()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        known = (await export_person(session, shop.merchant.id, card.customer_id))["webhooks"]
        (line,) = known["told_to_other_programs"]  # type: ignore[index]
        assert (line["event"], line["answer"]) == ("card.joined", "thanks")
        await erase_person(session, shop.merchant.id, card.customer_id)
    assert [one.answer for one in await shop.tries()] == [""]
    assert [kind for kind, _data in await told(shop)] == ["card.joined", "customer.erased"]


def test_the_names_stay() -> None:
    """Other programs know them: a name may be added, and none changed."""
    assert EVENTS == (
        "visit.given", "visit.undone", "reward.unlocked", "reward.redeemed", "reward.taken_back",
        "card.joined", "card.blocked", "card.unblocked", "card.merged",
        "customer.changed", "customer.erased", "tier.changed",
        "usage.warned", "usage.reached", "usage.month_closed",
    )  # fmt: skip
