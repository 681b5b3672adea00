"""The card's way to the PIN pad: the first steps in the dashboard tell a merchant to choose it."""

import pytest

from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


async def card_page(client, database, store):
    card = await make_card(database, store)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)
    page = await client.get(f"/card/{card.id}", headers=HTML)
    assert page.status_code == 200
    return page.text


async def test_the_card_leads_to_the_pin_pad(client, database, merchant):
    """A card of one store links to its page for stamps."""
    store = await make_store(database, merchant)

    shown = await card_page(client, database, store)

    assert f'href="/stamp/{store.id}"' in shown
    assert "Get a stamp" in shown


async def test_a_card_of_points_leads_to_the_amount(client, database, merchant):
    """A card of a points programme links to the page that asks for the amount."""
    store = await make_store(database, merchant, loyalty_type="points")

    shown = await card_page(client, database, store)

    assert f'href="/points/{store.id}"' in shown
    assert "Collect points" in shown


async def test_without_pins_on_phones_the_card_offers_nothing(client, database, merchant):
    """Where only paired devices give stamps, the card has no such link."""
    store = await make_store(database, merchant, phone_pins=False)

    assert f'href="/stamp/{store.id}"' not in await card_page(client, database, store)
