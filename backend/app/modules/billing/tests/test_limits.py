"""Limits stop what is new, politely and exactly, and nothing on a card that exists."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import func, select, update

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.metering import METER
from app.modules.accounts.models import MemberInvitation
from app.modules.billing import service
from app.modules.billing.jobs import count
from app.modules.billing.models import UsageMonth
from app.modules.billing.queries import read_usage
from app.modules.cards.factories import make_card
from app.modules.cards.public import PassObject
from app.modules.merchants.models import Merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.models import Store

from .conftest import Shop, Told


async def rows_of(shop: Shop, model: Any) -> int:
    """Return how many rows the shop has."""
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        return int(
            await session.scalar(select(func.count()).where(model.merchant_id == shop.merchant.id)) or 0
        )


async def join(client: httpx2.AsyncClient, shop: Shop) -> httpx2.Response:
    """Make a card as an outside caller does."""
    return await client.post("/passes/create", json={"store_id": str(shop.store.id)})


async def test_without_plans_nothing_is_limited(shop: Shop, client: httpx2.AsyncClient, told: Told) -> None:
    """The default: cards are made, and nothing is written or told about it."""
    assert [(await join(client, shop)).status_code for _number in range(3)] == [201, 201, 201]
    assert (await rows_of(shop, UsageMonth), told.heard) == (0, [])


async def test_the_last_card_fits_and_the_next_is_refused(
    shop: Shop, client: httpx2.AsyncClient, told: Told
) -> None:
    """Of a limit of five the fourth warns, the fifth reaches it, the sixth is refused in words for a customer."""
    shop.limit(cards=5)
    codes = [(await join(client, shop)).status_code for _number in range(5)]
    refused = await join(client, shop)

    assert codes == [201] * 5
    assert (refused.status_code, refused.json()["code"]) == (409, "no_new_cards")
    assert "limit" not in refused.json(), "a customer is told nothing of the shop's plan"
    assert await rows_of(shop, PassObject) == 5
    assert told.heard == [
        ("usage.warned", {"meter": "cards", "used": 4, "limit": 5}),
        ("usage.reached", {"meter": "cards", "used": 5, "limit": 5}),
    ]


async def test_the_join_page_says_so_before_anybody_types(shop: Shop, client: httpx2.AsyncClient) -> None:
    """A full shop's poster leads to a clear page instead of a form."""
    shop.limit(cards=0)
    page = await client.get(f"/join/{shop.store.id}", headers={"accept": "text/html"})

    assert page.status_code == 409
    assert "takes no new cards at the moment" in page.text
    assert "<form class" not in page.text


async def test_the_join_page_opens_again_as_soon_as_there_is_room(
    shop: Shop, client: httpx2.AsyncClient
) -> None:
    """A refusal on the page is by what there is now, not by the count of an hour ago."""
    shop.limit(cards=1)
    made = await join(client, shop)
    full = await client.get(f"/join/{shop.store.id}", headers={"accept": "text/html"})
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        await session.execute(update(PassObject).values(status="erased"))
    free = await client.get(f"/join/{shop.store.id}", headers={"accept": "text/html"})

    assert (made.status_code, full.status_code, free.status_code) == (201, 409, 200)


async def test_the_workers_job_counts_every_meter(shop: Shop) -> None:
    """One count of a merchant fills every meter."""
    made = shop.process
    parts = (made.database, made.settings, shop.clock, made.registry, made.resources)
    await count(JobContext(*parts, merchant_id=shop.merchant.id))

    assert await rows_of(shop, UsageMonth) == len(METER.items()) == 7


async def test_a_stamp_is_never_refused(shop: Shop, client: httpx2.AsyncClient) -> None:
    """A shop far over every limit gives stamps on its cards as before, and no limit is asked."""
    card = await make_card(shop.process.database, shop.store)
    _staff_id, pin = await make_staff(shop.process.database, shop.store)
    shop.limit(cards=0, visits=0, stores=0, members=0, mails=0)
    answer = await client.post(
        f"/stamp/{shop.store.id}", json={"pass_id": card.card_number, "staff_pin": pin}
    )

    assert (answer.status_code, answer.json()["stamp_count"]) == (201, 1)


async def test_a_store_over_the_limit_is_refused_with_the_way_to_more(
    shop: Shop, client: httpx2.AsyncClient
) -> None:
    """The member is told the limit and what the operator says; no store is made."""
    shop.limit(stores=1)
    body = {"name": "Second", "loyalty_type": "stamps"}
    refused = await client.post("/stores", json=body, headers=shop.merchant.headers)

    found = refused.json()
    assert (refused.status_code, found["code"]) == (409, "plan_limit")
    assert (found["meter"], found["limit"], found["used"]) == ("stores", 1, 1)
    assert found["upgrade_url"] == "https://example.com/more"
    assert found["fields"]["name"].endswith("Write to us.")
    assert await rows_of(shop, Store) == 1


async def test_a_closed_store_makes_room_and_opening_it_asks_again(
    shop: Shop, client: httpx2.AsyncClient
) -> None:
    """Close one, open another: there is room for it; then the first one stays closed."""
    shop.limit(stores=1)
    headers, first = shop.merchant.headers, f"/stores/{shop.store.id}"
    closed = await client.patch(first, json={"closed": True}, headers=headers)
    body = {"name": "Second", "loyalty_type": "stamps"}
    opened = await client.post("/stores", json=body, headers=headers)
    refused = await client.patch(first, json={"closed": False}, headers=headers)

    assert (closed.status_code, opened.status_code) == (200, 201)
    assert (refused.status_code, refused.json()["code"]) == (409, "plan_limit")


async def test_an_invitation_over_the_limit_is_refused(shop: Shop, client: httpx2.AsyncClient) -> None:
    """The owner counts as one: of two, one is invited and the next is not, and no mail leaves."""
    shop.limit(members=2)
    answers = [
        await client.post(
            "/team/invitations",
            json={"email": f"{name}@example.com", "role": "manager"},
            headers=shop.merchant.headers,
        )
        for name in ("first", "second")
    ]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["code"] == "plan_limit"
    assert await rows_of(shop, MemberInvitation) == 1


async def _join_at_once(shop: Shop, client: httpx2.AsyncClient) -> int:
    shop.limit(cards=3)
    await asyncio.wait_for(asyncio.gather(*(join(client, shop) for _number in range(12))), 60)
    return await rows_of(shop, PassObject)


async def test_twelve_at_once_share_three_places(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Whoever asks waits for who asked before: exactly three cards are made."""
    assert await _join_at_once(shop, client) == 3


async def test_control_without_the_lock_more_get_in(
    shop: Shop, client: httpx2.AsyncClient, monkeypatch: Any
) -> None:
    """The named lock is what keeps it: without it, several count the same free place."""

    async def no_lock(*_parts: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(service, "lock_name", no_lock)
    assert await _join_at_once(shop, client) > 3


async def test_a_month_is_counted_and_closed_once(shop: Shop, told: Told) -> None:
    """November's highest stock and its visits stay as they were; it is told once, and December begins anew."""
    await make_card(shop.process.database, shop.store)
    await make_card(shop.process.database, shop.store, columns={"status": "erased"})
    await shop.count()
    shop.clock.at += timedelta(days=12)
    await shop.count()
    await shop.count()

    closed = [facts for event, facts in told.heard if event == "usage.month_closed"]
    assert len(closed) == 1
    usage = closed[0]["usage"]
    assert isinstance(usage, dict)
    assert (usage["cards"], usage["stores"], usage["members"], usage["visits"]) == (1, 1, 1, 0)


async def test_the_worker_counts_what_exists(shop: Shop, client: httpx2.AsyncClient, told: Told) -> None:
    """Two stamps on two cards: two visits, two cards; a limit that came near by itself is told once."""
    _staff_id, pin = await make_staff(shop.process.database, shop.store)
    for _number in range(2):
        card = await make_card(shop.process.database, shop.store)
        body = {"pass_id": card.card_number, "staff_pin": pin}
        assert (await client.post(f"/stamp/{shop.store.id}", json=body)).status_code == 201
    shop.limit(visits=2)
    shop.clock.at += timedelta(minutes=1)
    await shop.count()
    await shop.count()

    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        rows = await session.execute(select(UsageMonth.meter, UsageMonth.used))
        used = {row.meter: row.used for row in rows}
    assert (used["visits"], used["cards"], used["api_visits"]) == (2, 2, 0)
    assert [event for event, _facts in told.heard] == ["usage.warned", "usage.reached"]


async def test_the_page_shows_the_plan_and_how_full_it_is(shop: Shop, client: httpx2.AsyncClient) -> None:
    """A limit of one store is full; what is not limited says none."""
    shop.limit(stores=1)
    await shop.count()
    page = await client.get("/dashboard/usage", headers=shop.merchant.headers)
    home = await client.get("/dashboard", headers=shop.merchant.headers)

    assert page.status_code == 200
    assert "Small" in page.text
    assert "Stores open" in page.text
    assert page.text.count('<span class="chip chip-danger">Full</span>') == 1
    assert "Stores open: 1 of 1 are used." in home.text


async def test_a_shop_sees_its_own_usage_only(shop: Shop, process: Any, client: httpx2.AsyncClient) -> None:
    """A neighbour's cards are not counted here."""
    from app.modules.merchants.factories import make_merchant
    from app.modules.stores.factories import make_store

    neighbour = await make_merchant(process.database)
    await make_card(process.database, await make_store(process.database, neighbour))
    await shop.count()
    async with tenant_scope(process.database, shop.merchant.id) as session:
        used = await session.scalar(select(UsageMonth.used).where(UsageMonth.meter == "cards"))
    assert used == 0


async def test_a_month_closes_when_it_is_over_everywhere(
    shop: Shop, client: httpx2.AsyncClient, told: Told
) -> None:
    """In December by its own clock the shop moves its zone back to November and is stamped: the visit is billed."""
    card = await make_card(shop.process.database, shop.store)
    _staff_id, pin = await make_staff(shop.process.database, shop.store)
    await shop.count()
    await _move(shop, "Pacific/Kiritimati")
    shop.clock.at = datetime(2026, 11, 30, 11, 0, tzinfo=UTC)
    await shop.count()
    early = [event for event, _facts in told.heard]
    await _move(shop, "Pacific/Pago_Pago")
    body = {"pass_id": card.card_number, "staff_pin": pin}
    assert (await client.post(f"/stamp/{shop.store.id}", json=body)).status_code == 201
    shop.clock.at = datetime(2026, 12, 1, 11, 59, tzinfo=UTC)
    await shop.count()
    before = [event for event, _facts in told.heard]
    shop.clock.at = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    await shop.count()

    assert (early, before) == ([], [])
    closed = [facts["usage"] for event, facts in told.heard if event == "usage.month_closed"]
    assert [usage["visits"] for usage in closed if isinstance(usage, dict)] == [1]


async def _move(shop: Shop, zone: str) -> None:
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        await session.execute(update(Merchant).where(Merchant.id == shop.merchant.id).values(time_zone=zone))


async def test_a_limit_of_nothing_is_not_near_while_nothing_is_used(
    shop: Shop, client: httpx2.AsyncClient, told: Told
) -> None:
    """Without a card no event is told and the page says nothing of full, but the next card is refused."""
    shop.limit(cards=0)
    await shop.count()
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        usage = await read_usage(session, shop.merchant.id, now=shop.clock.at)
    cards = next(row for row in usage.rows if row.meter == "cards")

    assert (cards.level, cards.percent, told.heard) == ("fine", 0, [])
    assert (await join(client, shop)).status_code == 409
