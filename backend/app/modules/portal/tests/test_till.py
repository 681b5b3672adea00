"""The PIN pad, redeeming and taking back, as a browser without JavaScript sees them."""

import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.portal.tests.helpers import hidden_fields, send_form
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.models import Visit

HTML = {"Accept": "text/html"}
HTMX = {"Accept": "text/html", "HX-Request": "true"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant, stamps_per_visit=1)


@pytest.fixture
async def pin(database, store):
    return (await make_staff(database, store, name="Marie"))[1]


async def hold(client, card):
    """Let the client's device keep the card."""
    assert (await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)).status_code == 303


async def totals(database, card):
    async with tenant_scope(database, card.merchant_id) as session:
        row = await session.scalar(
            select(PassObject).where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
        )
        visits = await session.scalar(select(func.count()).select_from(Visit).where(Visit.pass_id == card.id))
        return row.stamp_count, row.points_balance, visits


async def test_a_stranger_is_asked_which_card(client, store):
    """Without cookie, link or number the page offers the three ways, and the same for a wrong number."""
    page = await client.get(f"/stamp/{store.id}", headers=HTML)
    wrong = await client.get(f"/stamp/{store.id}?card=7K3QF0M2XW9P", headers=HTML)

    assert page.status_code == wrong.status_code == 200
    for way in (f"/join/{store.id}", f"/find/{store.id}", 'name="card"'):
        assert way in page.text
    assert "We could not find this card here." in wrong.text


async def test_a_stranger_does_not_close_the_pad_for_the_whole_wifi(app, client, store):
    """Typed numbers are limited by address; the page that every customer of the shop opens is not."""
    await app.state.limiter.reset()
    typed = [await client.get(f"/stamp/{store.id}?card=7K3QF0M2XW9P", headers=HTML) for _n in range(61)]
    opened = await client.get(f"/stamp/{store.id}", headers=HTML)
    await app.state.limiter.reset()

    assert [answer.status_code for answer in typed] == [200] * 60 + [429]
    assert opened.status_code == 200


async def test_the_cookie_finds_the_card_and_the_pin_gives_the_stamp(client, database, store, pin):
    """The device's own card, one PIN, one stamp; without JavaScript it ends on the card."""
    card = await make_card(database, store, stamps=3)
    await hold(client, card)

    given = await send_form(client, f"/stamp/{store.id}", f"/stamp/{store.id}/form", staff_pin=pin)

    assert (given.status_code, given.headers["location"]) == (303, f"/card/{card.id}")
    assert await totals(database, card) == (4, 0, 1)
    shown = await client.get(f"/card/{card.id}", headers=HTML)
    assert "+1 stamp" in shown.text
    assert 'data-stamp-count="4"' in shown.text


async def test_a_double_tap_is_one_stamp(client, database, merchant):
    """The same shown form twice, without a cooldown: one visit, and the same answer."""
    store = await make_store(database, merchant, cooldown_minutes=0, stamps_per_visit=1)
    pin = (await make_staff(database, store, name="Marie"))[1]
    card = await make_card(database, store)
    await hold(client, card)
    page = await client.get(f"/stamp/{store.id}", headers=HTML)
    data = hidden_fields(page.text, f"/stamp/{store.id}/form") | {"staff_pin": pin}

    answers = [await client.post(f"/stamp/{store.id}/form", data=data, headers=HTMX) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("+1 stamp" in answer.text for answer in answers)
    assert await totals(database, card) == (1, 0, 1)


async def test_a_wrong_pin_gives_nothing_and_says_so(client, database, store, pin):
    """403, the words on the pad, no PIN in the page, and the card as it was."""
    wrong = "000000" if pin != "000000" else "111111"
    card = await make_card(database, store, stamps=3)
    await hold(client, card)

    answer = await send_form(client, f"/stamp/{store.id}", f"/stamp/{store.id}/form", staff_pin=wrong)

    assert answer.status_code == 403
    assert "That PIN is not right." in answer.text
    assert wrong not in answer.text
    assert await totals(database, card) == (3, 0, 0)


async def test_too_soon_says_when_by_the_shops_clock(client, clock, database, store, pin):
    """409 with the time of day in the store's zone (UTC+1 in November)."""
    card = await make_card(database, store)
    await hold(client, card)
    await send_form(client, f"/stamp/{store.id}", f"/stamp/{store.id}/form", staff_pin=pin)
    clock.advance(minutes=3)

    answer = await send_form(client, f"/stamp/{store.id}", f"/stamp/{store.id}/form", staff_pin=pin)

    assert answer.status_code == 409
    assert "It is too soon for the next stamp." in answer.text
    assert "10:10" in answer.text
    assert "retry-after" in answer.headers
    assert await totals(database, card) == (1, 0, 1)


async def test_a_typed_number_identifies_and_shows_nothing_personal(client, database, store, pin):
    """The number leads to the pad and to a stamp, never to the name or the card's page."""
    card = await make_card(database, store, name="Ada Lovelace", email="ada@example.com")
    page = f"/stamp/{store.id}?card={card.card_number}"

    shown = await client.get(page, headers=HTML)
    data = hidden_fields(shown.text, f"/stamp/{store.id}/form") | {"staff_pin": pin}
    given = await client.post(f"/stamp/{store.id}/form", data=data, headers=HTMX)

    assert given.status_code == 200
    assert await totals(database, card) == (1, 0, 1)
    for text in (shown.text, given.text):
        assert "Ada" not in text
        assert "ada@example.com" not in text
    assert (await client.get(f"/card/{card.id}", headers=HTML)).status_code == 401


async def test_another_merchants_card_is_not_found_here(client, database, store, pin):
    """A foreign number, a foreign token and a foreign pass id give nothing."""
    foreign_store = await make_store(database, await make_merchant(database))
    foreign = await make_card(database, foreign_store)

    by_number = await client.get(f"/stamp/{store.id}?card={foreign.card_number}", headers=HTML)
    by_token = await client.get(f"/stamp/{store.id}?t={foreign.token}", headers=HTML)
    own = await make_card(database, store)
    await hold(client, own)
    page = await client.get(f"/stamp/{store.id}", headers=HTML)
    data = hidden_fields(page.text, f"/stamp/{store.id}/form") | {"staff_pin": pin, "card": str(foreign.id)}
    by_id = await client.post(f"/stamp/{store.id}/form", data=data, headers=HTML)

    assert "We could not find this card here." in by_number.text
    assert "Which card is yours?" in by_token.text
    assert by_id.status_code == 404
    assert await totals(database, foreign) == (0, 0, 0)


@pytest.mark.parametrize("amount", ["", "0", "-5", "NaN", "1e309", "1,2,3", "12.345", "false", "x" * 400])
async def test_an_unusable_amount_gives_nothing(client, database, merchant, amount):
    """422 with the words, whatever was typed."""
    store = await make_store(database, merchant, "points")
    pin = (await make_staff(database, store, name="Marie"))[1]
    card = await make_card(database, store)
    await hold(client, card)

    answer = await send_form(
        client, f"/points/{store.id}", f"/points/{store.id}/form", staff_pin=pin, amount=amount
    )

    assert answer.status_code == 422
    assert "Please type the amount like 59.90." in answer.text
    assert await totals(database, card) == (0, 0, 0)


async def test_an_amount_may_have_a_comma(client, database, merchant):
    """59,90 is what people type; €1 = 1 point, rounded down."""
    store = await make_store(database, merchant, "points")
    pin = (await make_staff(database, store, name="Marie"))[1]
    card = await make_card(database, store)
    await hold(client, card)

    given = await send_form(
        client, f"/points/{store.id}", f"/points/{store.id}/form", staff_pin=pin, amount="59,90"
    )

    assert given.status_code == 303
    assert await totals(database, card) == (0, 59, 1)


@pytest.mark.parametrize(
    ("loyalty_type", "asked", "led"), [("points", "stamp", "points"), ("stamps", "points", "stamp")]
)
async def test_the_wrong_code_leads_to_the_right_page(client, database, merchant, loyalty_type, asked, led):
    """A points shop has no stamp page and the other way round."""
    store = await make_store(database, merchant, loyalty_type)

    answer = await client.get(f"/{asked}/{store.id}", headers=HTML)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/{led}/{store.id}")


async def redeem_page(client, card):
    page = await client.get(f"/card/{card.id}", headers=HTML)
    start = page.text.index(f"/card/{card.id}/redeem/")
    return page.text[start : page.text.index('"', start)]


@pytest.mark.parametrize("query", ["x=" + "a" * 600, "x=\\a"])
async def test_an_odd_query_is_left_behind(client, database, merchant, query):
    """The way to the right page never fails on what somebody added to the address."""
    shop = await make_store(database, merchant, "points")

    answer = await client.get(f"/stamp/{shop.id}?{query}", headers=HTML)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/points/{shop.id}")


async def test_a_reward_is_shown_full_screen_with_a_clock(client, clock, database, store, pin):
    """Redeemed once; the screen moves for ten minutes and then only says when it was given."""
    card = await make_card(database, store, stamps=10)
    await hold(client, card)
    action = f"/rewards/{store.id}/redeem/form"

    done = await send_form(client, await redeem_page(client, card), action, staff_pin=pin)

    assert done.status_code == 303
    assert (await totals(database, card))[0] == 0
    screen = await client.get(done.headers["location"], headers=HTML)
    assert "data-clock" in screen.text
    assert "Marie" in screen.text
    assert "Want your next reward reminder by email?" in screen.text
    clock.advance(minutes=11)
    later = await client.get(done.headers["location"], headers=HTML)
    assert "data-clock" not in later.text
    assert "It cannot be given again." in later.text


async def test_a_wrong_pin_redeems_nothing(client, database, store, pin):
    """403 on the pad, and the reward is still there."""
    wrong = "000000" if pin != "000000" else "111111"
    card = await make_card(database, store, stamps=10)
    await hold(client, card)

    answer = await send_form(
        client, await redeem_page(client, card), f"/rewards/{store.id}/redeem/form", staff_pin=wrong
    )

    assert answer.status_code == 403
    assert "That PIN is not right." in answer.text
    assert (await totals(database, card))[0] == 10


async def test_a_stranger_redeems_nothing(client, database, store, pin):
    """Even with the PIN: the form needs the card on this device."""
    card = await make_card(database, store, stamps=10)
    await client.get(f"/join/{store.id}", headers=HTML)
    token = hidden_fields((await client.get(f"/join/{store.id}")).text, f"/join/{store.id}")["csrf"]

    data = {"csrf": token, "card": str(card.id), "reward_id": str(card.id), "staff_pin": pin}
    answer = await client.post(f"/rewards/{store.id}/redeem/form", data=data, headers=HTML)

    assert answer.status_code == 401
    assert (await totals(database, card))[0] == 10


async def test_staff_take_a_stamp_back(client, database, store, pin):
    """The link under the result asks for a PIN, and the stamp is gone from card and history."""
    card = await make_card(database, store)
    await hold(client, card)
    page = await client.get(f"/stamp/{store.id}", headers=HTML)
    data = hidden_fields(page.text, f"/stamp/{store.id}/form") | {"staff_pin": pin}
    given = await client.post(f"/stamp/{store.id}/form", data=data, headers=HTMX)
    start = given.text.index("/visits/")
    url = given.text[start : given.text.index('"', start)]

    undone = await send_form(client, url, url.partition("?")[0] + "/form", staff_pin=pin)

    assert (undone.status_code, undone.headers["location"]) == (303, f"/card/{card.id}")
    assert (await totals(database, card))[0] == 0
    assert "taken back" in (await client.get(f"/card/{card.id}", headers=HTML)).text


async def test_asking_for_ones_card_tells_nothing(client, database, store):
    """Known and unknown address: the same page, the same status, one mail each."""
    await make_card(database, store, email="known@example.com", verified=True)

    known = await send_form(client, f"/find/{store.id}", f"/find/{store.id}", email="known@example.com")
    unknown = await send_form(client, f"/find/{store.id}", f"/find/{store.id}", email="nobody@example.com")

    assert known.status_code == unknown.status_code == 200
    assert known.text == unknown.text
    assert known.headers.keys() == unknown.headers.keys()
