"""An open card hears of a change made on another device."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from app.db.session import tenant_scope
from app.kernel.errors import Unavailable
from app.modules.cards.factories import make_card
from app.modules.cards.public import touch_card
from app.modules.merchants.factories import make_merchant
from app.modules.portal.live import WATCHERS_OF_CARD_MAX, CardWatcher, card_events
from app.modules.stores.factories import make_store
from app.utils.id_generator import new_id

WITHIN_SECONDS = 1.0


async def change(database, clock, card):
    async with tenant_scope(database, card.merchant_id) as session:
        await touch_card(session, card.merchant_id, card.id, now=clock.now())


async def test_a_change_is_told_within_a_second(clock, database):
    """Watching page, another device's change, one event with the new revision."""
    store = await make_store(database, await make_merchant(database))
    card, other = await make_card(database, store), await make_card(database, store)
    watcher = CardWatcher(database)
    events = card_events(watcher, (card.merchant_id, card.id), revision=1)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)

    await change(database, clock, other)
    await change(database, clock, card)
    event = await asyncio.wait_for(waiting, WITHIN_SECONDS)

    assert (event.name, event.data) == ("card", "2")
    await events.aclose()
    assert watcher.watching == 0
    await watcher.aclose()


async def test_a_page_that_missed_a_change_hears_of_it_at_once(clock, database):
    """The page says which revision it shows; a newer one is an event."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    await change(database, clock, card)
    watcher = CardWatcher(database)
    events = card_events(watcher, (card.merchant_id, card.id), revision=1)

    event = await asyncio.wait_for(anext(events), WITHIN_SECONDS)

    assert event.data == "2"
    await events.aclose()
    await watcher.aclose()


async def test_one_card_does_not_take_all_places(database):
    """Its holder's pages beyond the limit are refused before the stream begins; other cards go on."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    watcher, key = CardWatcher(database), (card.merchant_id, card.id)

    async with AsyncExitStack() as pages:
        for _page in range(WATCHERS_OF_CARD_MAX):
            await pages.enter_async_context(watcher.watch(key, revision=0))
        with pytest.raises(Unavailable):
            watcher.check_room(key)
        watcher.check_room((card.merchant_id, new_id()))
    await watcher.aclose()


async def test_two_pages_of_one_card_both_hear(clock, database):
    """Phone and computer show the same card."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    watcher = CardWatcher(database)
    streams = [card_events(watcher, (card.merchant_id, card.id), revision=1) for _ in range(2)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await asyncio.sleep(0)

    await change(database, clock, card)
    events = await asyncio.wait_for(asyncio.gather(*waiting), WITHIN_SECONDS)

    assert [event.data for event in events] == ["2", "2"]
    for stream in streams:
        await stream.aclose()
    await watcher.aclose()
