"""From the stamp to Google: inserts, patches, and what happens when Google does not answer as it should."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.db.session import system_scope, tenant_scope
from app.kernel.jobs import list_dead_jobs
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import MadeCard
from app.modules.stores.models import Program
from app.modules.wallets.google_wallet import pace
from app.modules.wallets.google_wallet.rules import NOTIFICATIONS_MAX
from app.modules.wallets.google_wallet.store import want_object
from app.modules.wallets.google_wallet.tests.builders import problems_of
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.public import mark_changed


async def added(shop: Shop, **over: Any) -> MadeCard:
    """Return a card whose object is at Google."""
    card = await shop.card(**over)
    await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()
    return card


async def want(shop: Shop, card: MadeCard) -> None:
    """Let the holder ask for the pass."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        object_id = (await shop.row(card)).object_id
        await want_object(session, card.merchant_id, card.id, object_id=object_id, now=shop.clock.now())


async def test_a_new_card_is_inserted_once_with_its_class(shop: Shop) -> None:
    """Class and object by POST, both as Google describes them; the card knows its Google id."""
    card = await shop.card(stamps=2, points=30)
    await shop.change(card, revision=2)

    await shop.converge()

    assert [call[:2] for call in shop.wire.calls] == [("POST", "/loyaltyClass"), ("POST", "/loyaltyObject")]
    assert problems_of("LoyaltyClass", shop.wire.calls[0][2]) == []
    assert problems_of("LoyaltyObject", shop.wire.calls[1][2]) == []
    found = shop.google(card)
    assert found["barcode"]["value"] == card.card_number
    assert found["loyaltyPoints"]["balance"] == {"string": "2/10"}
    assert found["secondaryLoyaltyPoints"]["balance"] == {"int": 30}
    assert (await shop.row(card)).busy_until is None


async def test_a_change_sends_only_what_changed(shop: Shop) -> None:
    """A point more is a PATCH of the points; nothing new is no request at all."""
    card = await added(shop, points=30)

    await shop.change(card, points_balance=31)
    await shop.converge()
    assert [(verb, sorted(body)) for verb, _, body in shop.wire.calls] == [
        ("PATCH", ["secondaryLoyaltyPoints", "textModulesData"])
    ]

    shop.wire.calls.clear()
    await shop.change(card, revision=9)
    await shop.converge()
    assert shop.wire.calls == []


async def test_a_changed_design_patches_the_class_under_review(shop: Shop) -> None:
    """The new name goes to the class, with the review status that Google wants each time."""
    card = await added(shop)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        await session.execute(update(Program).where(Program.id == card.program_id).values(name="New name"))
        await mark_changed(session, card.merchant_id, card.id)

    await shop.converge()

    (body,) = shop.wire.of("PATCH", "/loyaltyClass")
    assert (body["programName"], body["reviewStatus"]) == ("New name", "UNDER_REVIEW")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [404, 409, 500, 503, 429, 401, "reset", "hang", "lost"])
@pytest.mark.parametrize("step", [0, 1])
async def test_one_failure_loses_and_doubles_nothing(shop: Shop, fault: Any, step: int) -> None:
    """Whatever happens to the class's or the object's request, one object is there at the end, and right."""
    card = await shop.card(stamps=4)
    shop.wire.faults.extend([None] * step + [fault])
    await shop.change(card, revision=2)

    await shop.converge()

    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "4/10"}
    assert shop.wire.stand_in.count("loyaltyObject") == 1
    assert shop.wire.stand_in.count("loyaltyClass") == 1
    assert len(shop.wire.calls) <= 7


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [404, 409, 500, 429, 401, "reset", "hang", "lost"])
async def test_a_failed_patch_is_sent_again(shop: Shop, fault: Any) -> None:
    """The change arrives, with the attempts bounded."""
    card = await added(shop)
    shop.wire.faults.append(fault)
    await shop.change(card, stamp_count=5)

    await shop.converge()

    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "5/10"}
    assert 2 <= len(shop.wire.calls) <= 4


async def test_an_object_that_google_lost_is_inserted_again(shop: Shop) -> None:
    """404 on a PATCH becomes an insert of everything, class included."""
    card = await added(shop)
    for kind in ("loyaltyObject", "loyaltyClass"):
        for path in (shop.wire.stand_in._folder / kind).glob("*.json"):
            path.unlink()
    await shop.change(card, stamp_count=5)

    await shop.converge()

    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "5/10"}
    assert shop.wire.stand_in.count("loyaltyClass") == 1


async def test_an_object_that_is_there_already_is_patched(shop: Shop) -> None:
    """Somebody opened a fat link, or an answer was lost long ago: 409 on the insert becomes a PATCH of everything."""
    card = await shop.card(stamps=4)
    key = (await shop.row(card)).object_id
    (shop.wire.stand_in._folder / "loyaltyObject").mkdir(parents=True)
    shop.wire.stand_in._keep("loyaltyObject", {"id": key, "classId": "old", "state": "INACTIVE"})
    await shop.change(card, revision=2)

    await shop.converge()

    assert [call[0] for call in shop.wire.calls] == ["POST", "POST", "PATCH"]
    assert shop.google(card)["state"] == "ACTIVE"
    assert shop.wire.stand_in.count("loyaltyObject") == 1


@pytest.mark.parametrize(("fault", "most"), [(400, 1), (404, 50), (409, 25)])
async def test_what_never_works_ends(shop: Shop, fault: int, most: int) -> None:
    """Google refuses a card for good: the tries end, the job is kept for the operator, the next change tries anew."""
    card = await added(shop)
    shop.wire.down = fault
    await shop.change(card, stamp_count=5)

    await shop.converge(hours=6)

    assert 1 <= len(shop.wire.calls) <= most
    async with system_scope(shop.database) as session:
        (dead,) = [job for job in await list_dead_jobs(session) if str(card.id) in job.arguments]
    assert dead.name == "wallets.refresh_card"
    shop.wire.down = None
    await shop.change(card, stamp_count=6)
    await shop.converge()
    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "6/10"}


async def test_many_stamps_are_one_update(shop: Shop) -> None:
    """A thousand changes of a hundred cards before the worker comes: one PATCH a card, with the newest count."""
    cards = [await shop.card() for _ in range(100)]
    for card in cards:
        await shop.change(card, revision=2)
    shop.wire.calls.clear()
    await shop.converge()
    shop.wire.calls.clear()
    for count in range(1, 11):
        for card in cards:
            await shop.change(card, stamp_count=count)

    await shop.converge()

    assert len(shop.wire.of("PATCH")) == 100
    assert {shop.google(card)["loyaltyPoints"]["balance"]["string"] for card in cards} == {"10/10"}


async def test_an_hours_outage_converges(shop: Shop) -> None:
    """Cards stamped while Google is away are right soon after; one probe a minute goes out meanwhile."""
    cards = [await added(shop) for _ in range(8)]
    shop.wire.down = 503
    for number, card in enumerate(cards):
        await shop.change(card, stamp_count=number + 1)
    start = shop.clock.at
    while shop.clock.at < start + timedelta(hours=1):
        await shop.runner.drain()
        shop.clock.at += timedelta(seconds=30)
    probes = len(shop.wire.calls)
    shop.wire.down = None
    back = shop.clock.at

    await shop.converge()

    assert [shop.google(card)["loyaltyPoints"]["balance"]["string"] for card in cards] == [
        f"{number + 1}/10" for number in range(8)
    ]
    assert shop.clock.at - back <= timedelta(minutes=5)
    assert probes <= 65


async def test_two_workers_stay_below_twenty_a_second(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limiter is shared: two runners together never put more than twenty requests into a second."""
    cards = [await shop.card() for _ in range(24)]
    for card in cards:
        await shop.change(card, revision=2)
    other = JobRunner(
        shop.database,
        shop.process.registry,
        shop.process.settings,
        shop.clock,
        resources=shop.process.resources,
    )
    stop = asyncio.Event()
    tasks = [asyncio.create_task(runner.run(stop)) for runner in (shop.runner, other)]
    for _ in range(300):
        await asyncio.sleep(0.1)
        if shop.wire.stand_in.count("loyaltyObject") == len(cards):
            break
    stop.set()
    await asyncio.gather(*tasks)

    assert shop.wire.stand_in.count("loyaltyObject") == len(cards)
    assert len(shop.wire.of("POST")) == len(cards)
    assert 10 <= shop.wire.fastest_second() <= 20


async def test_without_the_shared_pace_the_limit_breaks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the gap taken away, and the same cards come too fast."""
    monkeypatch.setattr(pace, "REQUESTS_A_SECOND", 10_000)
    cards = [await shop.card() for _ in range(60)]
    for card in cards:
        await shop.change(card, revision=2)
    stop = asyncio.Event()
    task = asyncio.create_task(shop.runner.run(stop))
    for _ in range(200):
        await asyncio.sleep(0.1)
        if shop.wire.stand_in.count("loyaltyObject") == len(cards):
            break
    stop.set()
    await task

    assert shop.wire.fastest_second() > 20


async def test_notifications_stay_within_the_days_budget(shop: Shop) -> None:
    """Two ordinary changes and one reward are announced; the rest is silent, and the next day begins anew."""
    card = await added(shop)
    await want(shop, card)
    for count in range(1, 8):
        await shop.change(card, stamp_count=count, reward_unlocked=count == 7)
        await shop.converge()

    loud = [body for body in shop.wire.of("PATCH") if "notifyPreference" in body]
    assert [body["loyaltyPoints"]["balance"]["string"] for body in loud] == ["1/10", "2/10", "7/10"]
    assert len(loud) == NOTIFICATIONS_MAX
    assert (await shop.row(card)).silenced == 4

    shop.clock.advance(hours=25)
    await shop.change(card, stamp_count=8, reward_unlocked=False)
    await shop.converge()
    assert "notifyPreference" in shop.wire.of("PATCH")[-1]


async def test_an_erased_card_ends_on_the_phone(shop: Shop) -> None:
    """The pass expires, and what it said of a person is taken away."""
    card = await added(shop, name="Anna Müller")
    await want(shop, card)
    await shop.change(card, revision=5)
    await shop.converge()
    assert shop.google(card)["accountName"] == "Anna Müller"

    await shop.change(card, status="erased")
    await shop.converge()

    assert set(shop.google(card)) == {"id", "classId", "state", "accountId", "messages"}
    assert shop.google(card)["state"] == "EXPIRED"
