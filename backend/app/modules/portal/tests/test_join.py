"""Joining and the card page, as a browser without JavaScript sees them."""

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.merchants.factories import make_merchant
from app.modules.portal.tests.helpers import hidden_fields, send_form
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant)


async def rows(database, merchant, model):
    async with tenant_scope(database, merchant.id) as session:
        statement = select(model).where(model.merchant_id == merchant.id).order_by(model.id)
        return list(await session.scalars(statement))


async def test_one_screen_and_the_card_is_there(client, database, merchant, store):
    """The form asks nothing, the box is unticked, and the answer is the card itself."""
    page = await client.get(f"/join/{store.id}", headers=HTML)
    assert page.status_code == 200
    assert "I agree to receive loyalty updates and promotions." in page.text
    assert "checked" not in page.text

    joined = await send_form(client, f"/join/{store.id}", f"/join/{store.id}")

    assert joined.status_code == 303
    [card] = await rows(database, merchant, PassObject)
    assert joined.headers["location"] == f"/card/{card.id}"
    cookie = joined.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    shown = await client.get(joined.headers["location"], headers=HTML)
    assert shown.status_code == 200
    assert 'data-stamp-count="0"' in shown.text
    assert "Add your email to get reward reminders." in shown.text
    assert await rows(database, merchant, ConsentRecord) == []


async def test_a_device_with_a_card_is_led_to_it(client, database, store):
    """Scanning the poster again opens the card instead of making another."""
    joined = await send_form(client, f"/join/{store.id}", f"/join/{store.id}")

    again = await client.get(f"/join/{store.id}", headers=HTML)

    assert (again.status_code, again.headers["location"]) == (303, joined.headers["location"])


async def test_a_double_tap_is_one_card(client, database, merchant, store):
    """The same shown form sent twice makes one card."""
    page = await client.get(f"/join/{store.id}", headers=HTML)
    data = hidden_fields(page.text, f"/join/{store.id}") | {"name": "Ada"}
    first = await client.post(f"/join/{store.id}", data=data, headers=HTML)
    second = await client.post(f"/join/{store.id}", data=data, headers=HTML)

    assert first.headers["location"] == second.headers["location"]
    assert len(await rows(database, merchant, PassObject)) == 1


async def test_a_made_up_key_is_no_key(client, database, store):
    """A NUL, which PostgreSQL refuses, is not one of our keys: the card is made all the same."""
    path = f"/join/{store.id}"

    joined = await send_form(client, path, path, idempotency_key="\x00" * 25)

    assert joined.status_code == 303


async def test_mistakes_come_back_beside_their_fields(client, database, merchant, store):
    """422, the words beside the field, what was typed still there, and nothing made."""
    answer = await send_form(
        client,
        f"/join/{store.id}",
        f"/join/{store.id}",
        name="Ada <b>",
        email="marie@",
        birthday_day="31",
        birthday_month="2",
    )

    assert answer.status_code == 422
    assert "This address is not complete." in answer.text
    assert "There is no such day." in answer.text
    assert "Ada &lt;b&gt;" in answer.text
    assert await rows(database, merchant, Customer) == []


async def test_everything_that_was_told_is_kept(client, clock, database, merchant, store):
    """Name, address, phone, birthday without a year, and the consent in the page's language."""
    answer = await send_form(
        client,
        f"/join/{store.id}?lang=de",
        f"/join/{store.id}",
        name="Zoë",
        email="zoe@example.com",
        phone="+352 621 123 456",
        birthday_day="29",
        birthday_month="2",
        birthday_year="",
        email_consent="true",
    )

    assert answer.status_code == 303
    [customer] = await rows(database, merchant, Customer)
    assert (customer.name, customer.email, customer.phone) == ("Zoë", "zoe@example.com", "+352621123456")
    assert (customer.birthday_day, customer.birthday_month, customer.birthday_year) == (29, 2, None)
    assert customer.locale == "de"
    [record] = await rows(database, merchant, ConsentRecord)
    assert record.text_shown.startswith("Ich bin damit einverstanden")
    assert (record.source, record.locale, record.at) == ("join_page", "de", clock.now())


async def test_a_link_becomes_a_cookie_and_leaves_the_address(client, database, store):
    """?t= is exchanged; afterwards the plain address works on this device."""
    card = await make_card(database, store, stamps=3)

    moved = await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    assert (moved.status_code, moved.headers["location"]) == (303, f"/card/{card.id}")
    shown = await client.get(f"/card/{card.id}", headers=HTML)
    assert 'data-stamp-count="3"' in shown.text


async def test_a_link_that_was_used_leads_to_the_cards_of_this_device(client):
    """The answer says why and where the card is; the same for a link that never was."""
    answer = await client.get(f"/card/link/{'A' * 75}", headers=HTML)

    assert answer.status_code == 422
    assert "Each link works once." in answer.text
    assert 'class="button" href="/cards"' in answer.text


async def test_an_id_opens_nothing(client, database, store):
    """The page, its state, its stream, its data and its manifest answer 401 to a stranger."""
    card = await make_card(database, store, name="Ada Lovelace", email="ada@example.com")

    for path in ("", "/state", "/live", "/data.json", "/manifest.webmanifest"):
        answer = await client.get(f"/card/{card.id}{path}", headers=HTML)
        assert answer.status_code == 401, path
        assert "Ada" not in answer.text
    for path in ("/email", "/email/again", "/consent", "/forget", "/sign-out-others"):
        answer = await client.post(f"/card/{card.id}{path}", json={})
        assert answer.status_code == 401, path


async def test_two_merchants_share_a_device(client, database, store):
    """One cookie keeps both cards, and each page shows its own."""
    other = await make_store(database, await make_merchant(database, name="Mode Avenue"), "points")
    one, two = await make_card(database, store, stamps=2), await make_card(database, other, points=50)
    for card in (one, two):
        await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    page = await client.get("/cards", headers=HTML)

    assert page.status_code == 200
    assert f"/card/{one.id}" in page.text
    assert f"/card/{two.id}" in page.text
    assert page.text.index(str(two.id)) < page.text.index(str(one.id))
    assert (await client.get(f"/card/{one.id}", headers=HTML)).status_code == 200
    forgotten = await send_form(client, f"/card/{one.id}", f"/card/{one.id}/forget")
    assert forgotten.status_code == 303
    assert (await client.get(f"/card/{one.id}", headers=HTML)).status_code == 401
    assert (await client.get(f"/card/{two.id}", headers=HTML)).status_code == 200


async def test_closing_all_other_devices_ends_their_copies(client, app, database, store):
    """The old token opens nothing; this device keeps its card."""
    card = await make_card(database, store)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    done = await send_form(client, f"/card/{card.id}", f"/card/{card.id}/sign-out-others")

    assert done.status_code == 303
    assert (await client.get(f"/card/{card.id}", headers=HTML)).status_code == 200
    client.cookies.clear()
    assert (await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)).status_code == 401


async def test_consent_is_taken_back_on_the_card_page(client, database, merchant, store):
    """One press: a second record says no, the flag falls, the first record stays as it was."""
    card = await make_card(database, store, email="ada@example.com", email_consent=True)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    answer = await send_form(client, f"/card/{card.id}", f"/card/{card.id}/consent")

    assert answer.status_code == 303
    records = await rows(database, merchant, ConsentRecord)
    assert [record.given for record in records] == [True, False]
    [customer] = await rows(database, merchant, Customer)
    assert (customer.email_consent, customer.email_consent_at) == (False, None)
    assert customer.unsubscribed_at is not None


async def test_the_download_holds_what_is_known(client, database, store):
    """Name, address and the consent's wording, as a file."""
    card = await make_card(database, store, name="Ada", email="ada@example.com", email_consent=True)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    answer = await client.get(f"/card/{card.id}/data.json")

    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    known = answer.json()["customers"]
    assert (known["customer"]["name"], known["customer"]["email"]) == ("Ada", "ada@example.com")
    assert known["consents"][0]["text"] == "I agree to receive loyalty updates and promotions."


async def test_the_colours_are_hex_only_and_cached_for_their_version(client, database, merchant):
    """A palette's colours come out; the address with the right version is kept for ever, another is not."""
    store = await make_store(database, merchant, design={"background_color": "#123456", "icon": "cup"})
    url = f"/theme/{store.program.id}.css?m={merchant.id}&v="

    right = await client.get(f"{url}{store.program.design_version}")
    other = await client.get(f"{url}999")

    assert right.status_code == 200
    assert right.headers["content-type"].startswith("text/css")
    assert "--card-bg: #123456;" in right.text
    assert f".program-{store.program.id}" in right.text
    assert "immutable" in right.headers["cache-control"]
    assert "immutable" not in other.headers["cache-control"]


async def test_a_card_can_be_installed(client, database, store):
    """The manifest starts at the card by its token; the worker comes from the root."""
    card = await make_card(database, store)

    manifest = await client.get(f"/card/{card.id}/manifest.webmanifest?t={card.token}")
    worker = await client.get("/sw.js")

    assert manifest.json()["start_url"] == f"/card/{card.id}?t={card.token}"
    assert manifest.json()["display"] == "standalone"
    assert worker.headers["content-type"].startswith("text/javascript")


async def test_the_state_is_for_the_holder(client, database, store):
    """GET /passes/{id}: by token, not by id."""
    card = await make_card(database, store, stamps=7)

    answer = await client.get(f"/passes/{card.id}?t={card.token}")
    stranger = await client.get(f"/passes/{card.id}")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["pass_id"], body["stamp_count"], body["stamps_needed"]) == (str(card.id), 7, 10)
    assert (body["status"], body["card_number"]) == ("active", card.card_number)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
