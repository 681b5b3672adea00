"""The web service at its edges: overlapping refreshes, cards that ended, HEAD, odd tags, an outage at Apple."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from app.db.session import tenant_scope
from app.kernel.jobs import TryAgain
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.wallets.marks import assign_update_tag

from .test_device import Phone, change, refresh


@pytest.fixture
def phone(client) -> Phone:
    """Return a phone."""
    return Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32))


async def test_two_overlapping_refreshes_lose_nothing(client, database, phone):
    """The first has its tag and is not committed; the second waits for it; the phone sees both, none between."""
    store = await make_store(database, await make_merchant(database))
    first, second = await make_card(database, store), await make_card(database, store)
    for card in (first, second):
        await phone.add(card)
        await phone.register(str(card.id))
        async with tenant_scope(database, card.merchant_id) as session:
            await assign_update_tag(session, card.merchant_id, card.id)
    start = (await phone.changed()).json()["lastUpdated"]

    async def refresh_second() -> None:
        async with tenant_scope(database, second.merchant_id) as session:
            await assign_update_tag(session, second.merchant_id, second.id)

    async with tenant_scope(database, first.merchant_id) as session:
        await assign_update_tag(session, first.merchant_id, first.id)
        waiting = asyncio.create_task(refresh_second())
        done, _still = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        assert (await phone.changed(start)).status_code == 204
    await waiting

    answer = (await phone.changed(start)).json()
    assert answer["serialNumbers"] == [str(first.id), str(second.id)]
    assert int(answer["lastUpdated"]) == int(start) + 2
    assert (await phone.changed(answer["lastUpdated"])).status_code == 204


@pytest.mark.parametrize("status", ["blocked", "merged", "erased"])
async def test_a_card_that_ended_is_pushed_as_voided(database, phone, worker, apns, status):
    """The phone is told, fetches, and greys the pass; what will not come back expires, too."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store, stamps=2)
    content = await phone.add(card)
    assert "voided" not in content
    await phone.register(str(card.id))
    await change(database, card, status=status)

    await refresh(worker, card)

    assert [token for token, _topic, _body in apns.pushes] == [phone.push_token]
    assert (await phone.latest(str(card.id))).status_code == 200
    latest = phone.passes[str(card.id)]
    assert latest["voided"] is True
    assert ("expirationDate" in latest) is (status != "blocked")


async def test_head_says_what_get_says(client, database, phone):
    """Phones have been seen to ask so: same status and headers, no content, on every address."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    kind = (await phone.add(card))["passTypeIdentifier"]
    await phone.register(str(card.id))
    own = phone.headers(str(card.id))
    for path, headers in (
        (f"/apple/updates/v1/passes/{kind}/{card.id}", own),
        (f"/apple/updates/{kind}/{card.id}", own),
        (f"/apple/updates/v1/devices/{phone.device}/registrations/{kind}", {}),
        (f"/passes/apple/{card.id}?t={card.token}", {}),
    ):
        got = await client.get(path, headers=headers)
        head = await client.head(path, headers=headers)
        assert (head.status_code, head.content) == (200, b""), path
        for name in ("content-type", "last-modified"):
            assert head.headers.get(name) == got.headers.get(name)
    assert (await client.head(f"/apple/updates/v1/passes/{kind}/{card.id}")).status_code == 401


@pytest.mark.parametrize("tag", ["2026-11-20T09:00:00+01:00", "-1", "9" * 30, "abc", "1e3", "٣"])
async def test_a_tag_that_is_not_ours_lists_everything(client, database, phone, tag):
    """Never an error: a phone that was given another server's tag gets all of its passes."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    await phone.add(card)
    await phone.register(str(card.id))

    answer = await phone.changed(tag)

    assert answer.json()["serialNumbers"] == [str(card.id)]


async def test_a_new_push_token_replaces_the_old_one(database, phone, worker, apns):
    """After a re-install: 200, and the push goes to the new token only."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    await phone.add(card)
    assert await phone.register(str(card.id)) == 201
    phone.push_token = secrets.token_hex(32)
    assert await phone.register(str(card.id)) == 200
    await change(database, card, stamp_count=1)

    await refresh(worker, card)

    assert [token for token, _topic, _body in apns.pushes] == [phone.push_token]


async def test_one_bad_token_does_not_block_the_others(client, database, worker, apns):
    """Two phones hold the pass; Apple never gave out the first one's token: the second one is told."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    phones = [Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32)) for _ in range(2)]
    for phone in phones:
        await phone.add(card)
        await phone.register(str(card.id))
    await change(database, card, stamp_count=1)
    apns.plan.append((400, {"reason": "BadDeviceToken"}))

    await refresh(worker, card)

    assert {token for token, _topic, _body in apns.pushes} == {phone.push_token for phone in phones}


async def test_stamps_go_on_while_apple_is_away(client, database, phone, worker, apns):
    """Apple's push service hangs; stamps are given, none speaks to it; afterwards the phone has the last count."""
    store = await make_store(database, await make_merchant(database), cooldown_minutes=0)
    _, pin = await make_staff(database, store)
    card = await make_card(database, store)
    await phone.add(card)
    await phone.register(str(card.id))
    apns.always = "hang"
    await change(database, card, stamp_count=0)
    with pytest.raises(TryAgain):
        await refresh(worker, card)
    before = len(apns.pushes)

    for count in range(1, 6):
        body = {"pass_id": str(card.id), "staff_pin": pin}
        answer = await client.post(f"/stamp/{store.id}", json=body)
        assert (answer.status_code, answer.json()["stamp_count"]) == (201, count)
    # Not a stop-watch, which a busy machine would turn wrong: giving a stamp speaks to nobody at all.
    assert len(apns.pushes) == before

    apns.always = None
    worker.process.clock.advance(minutes=2)
    await refresh(worker, card)
    assert apns.pushes[-1][0] == phone.push_token
    assert (await phone.latest(str(card.id))).status_code == 200
    assert phone.passes[str(card.id)]["storeCard"]["headerFields"][0]["value"] == "5 / 10"


async def test_two_workers_send_one_probe(database, phone, worker, apns, clock):
    """Away for an hour, three cards and two workers: one push a minute, whoever asks."""
    store = await make_store(database, await make_merchant(database))
    cards = [await make_card(database, store) for _ in range(3)]
    for card in cards:
        await phone.add(card)
        await phone.register(str(card.id))
        await change(database, card, stamp_count=1)
    apns.always = (503, {"reason": "ServiceUnavailable"})
    with pytest.raises(TryAgain):
        await refresh(worker, cards[0])
    apns.pushes.clear()

    for _minute in range(60):
        clock.advance(seconds=61)
        tries = [refresh(worker, card) for card in cards for _worker in range(2)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(one) for one in answers} == {TryAgain}

    assert len(apns.pushes) == 60
