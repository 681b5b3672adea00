"""A shift at the till: pages without JavaScript, and the device's endpoints."""

from __future__ import annotations

import re

from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store
from app.utils.id_generator import new_card_number


async def make_till(database, loyalty_type="stamps", role="cashier", **over):
    """Make a store with a device whose shift is open."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, loyalty_type=loyalty_type, **over)
    _staff_id, pin = await make_staff(database, store, role=role)
    return store, await make_device(database, store, pin=pin)


def fields(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form with this action."""
    form = re.search(rf'<form[^>]*action="{action}".*?</form>', html, re.S)
    assert form is not None, f"no form to {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.group(0)))


async def test_unpaired_device_is_told_what_to_do(client):
    """Without a pairing the staff page explains, and takes a code."""
    page = await client.get("/staff")
    assert page.status_code == 200
    assert "This device is not paired yet" in page.text


async def test_pairing_page_changes_nothing_until_it_is_sent(client, database):
    """Looking at a pairing link leaves it usable; the form pairs and leads to the PIN."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    made = (
        await client.post(f"/stores/{store.id}/devices", json={"name": "Tablet"}, headers=merchant.headers)
    ).json()
    for _look in range(2):
        page = await client.get("/staff/pair", params={"code": made["pairing_code"]})
        assert "Pair this device as “Tablet”?" in page.text
    sent = await client.post("/staff/pair", data=fields(page.text, "/staff/pair"))
    assert (sent.status_code, sent.headers["location"]) == (303, "/staff")
    assert "Your PIN opens the shift" in (await client.get("/staff")).text
    used = await client.get("/staff/pair", params={"code": made["pairing_code"]})
    assert "has expired or was used already" in used.text


async def test_shift_opens_by_pin_and_ends(client, database):
    """A wrong PIN is said to be wrong, the right one opens, the button ends the shift."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store, name="Marie")
    client.cookies.update((await make_device(database, store)).cookies)
    form = fields((await client.get("/staff")).text, "/staff/shift")
    wrong = await client.post("/staff/shift", data=form | {"staff_pin": "000000"})
    assert wrong.status_code == 403
    assert "That PIN is not right." in wrong.text
    assert (await client.post("/staff/shift", data=form | {"staff_pin": pin})).status_code == 303
    page = await client.get("/staff")
    assert "Marie" in page.text
    assert "wasm-unsafe-eval" in page.headers["content-security-policy"]
    await client.post("/staff/shift/end", data=fields(page.text, "/staff/shift/end"))
    assert "Your PIN opens the shift" in (await client.get("/staff")).text


async def test_stamp_by_one_tap_and_undo_without_javascript(client, database):
    """Number → card → one tap: one stamp; a repeat of the same form gives no second; undo takes it back."""
    store, device = await make_till(database)
    card = await make_card(database, store, stamps=3)
    client.cookies.update(device.cookies)
    page = await client.get("/staff", params={"card": card.card_number})
    assert 'data-stamp-count="3"' in page.text
    form = fields(page.text, "/staff/visits")
    for _tap in range(2):
        sent = await client.post("/staff/visits", data=form)
        assert (sent.status_code, sent.headers["location"]) == (
            303,
            f"/staff?card={card.card_number}&done=true",
        )
    page = await client.get(sent.headers["location"])
    assert "Given: 1 stamp" in page.text
    assert 'data-stamp-count="4"' in page.text
    again = await client.get("/staff", params={"card": card.card_number})
    refused = await client.post("/staff/visits", data=fields(again.text, "/staff/visits"))
    assert "done" not in refused.headers["location"]
    shown = await client.get(refused.headers["location"])
    assert "It is too soon for the next stamp." in shown.text
    await client.post("/staff/undo", data=fields(shown.text, "/staff/undo"))
    assert 'data-stamp-count="3"' in (await client.get("/staff", params={"card": card.card_number})).text


async def test_points_take_a_comma_and_refuse_nonsense(client, database):
    """Amounts are typed as people write them; what is no amount changes nothing."""
    store, device = await make_till(database, "points")
    card = await make_card(database, store)
    client.cookies.update(device.cookies)
    url = f"/staff?card={card.card_number}"
    form = fields((await client.get(url)).text, "/staff/visits")
    for nonsense in ("NaN", "-5", "0", "1e309", "abc", "1,555"):
        bad = await client.post(
            "/staff/visits", data=form | {"amount": nonsense}, headers={"HX-Request": "true"}
        )
        assert "till-notice is-refused" in bad.text, nonsense
    assert 'data-points="0"' in (await client.get(url)).text
    await client.post("/staff/visits", data=form | {"amount": "59,90"})
    assert 'data-points="59"' in (await client.get(url)).text


async def test_reward_is_given_once(client, database):
    """A full card shows its reward; the form sent twice gives one."""
    store, device = await make_till(database, stamps_needed=10)
    card = await make_card(database, store, stamps=10)
    client.cookies.update(device.cookies)
    page = await client.get("/staff", params={"card": card.card_number})
    form = fields(page.text, "/staff/redemptions")
    assert 'action="/staff/visits"' not in page.text
    for _tap in range(2):
        sent = await client.post("/staff/redemptions", data=form, headers={"HX-Request": "true"})
        assert "Reward given" in sent.text
    assert 'data-stamp-count="0"' in (await client.get("/staff", params={"card": card.card_number})).text


async def test_htmx_swaps_only_the_till(client, database):
    """With JavaScript the answer is the part that changes, ready for the next card."""
    store, device = await make_till(database)
    card = await make_card(database, store)
    client.cookies.update(device.cookies)
    part = await client.get("/staff", params={"card": card.card_number}, headers={"HX-Request": "true"})
    assert part.text.lstrip().startswith('<div id="till"')
    form = fields(part.text, "/staff/visits")
    done = await client.post("/staff/visits", data=form, headers={"HX-Request": "true"})
    assert done.status_code == 200
    assert "data-scanner-auto" in done.text
    assert 'action="/staff/undo"' in done.text


async def test_foreign_and_unknown_cards_look_the_same(client, database):
    """A card of another merchant, or of another programme, is as unknown as one that does not exist."""
    store, device = await make_till(database)
    elsewhere = await make_store(database, await make_merchant(database))
    foreign = await make_card(database, elsewhere)
    for number in (foreign.card_number, str(foreign.id), new_card_number(), "nonsense", "' OR 1=1"):
        page = await client.get("/staff", params={"card": number}, headers=device.headers)
        assert "No card of this shop has this number." in page.text
        answer = await client.post("/device/visits", json={"pass_id": number}, headers=device.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_card_is_started_and_handed_over(client, database):
    """Staff start a card; the page shows a code that opens it and the number to write down."""
    _store, device = await make_till(database)
    client.cookies.update(device.cookies)
    form = fields((await client.get("/staff/cards/new")).text, "/staff/cards")
    sent = await client.post("/staff/cards", data=form | {"name": "Anna"})
    page = await client.get(sent.headers["location"])
    assert 'class="qr"' in page.text
    number = re.search(r'class="number">([0-9A-Z ]+)<', page.text).group(1)
    assert "Anna" in (await client.get("/staff", params={"card": number})).text


async def test_device_endpoints_give_and_take_back(client, database, clock):
    """POST /device/visits, /redemptions and /voids answer as the seed's endpoints do, without any PIN."""
    store, device = await make_till(database, "hybrid", stamps_needed=10)
    card = await make_card(database, store, stamps=9)
    headers = device.headers | {"Idempotency-Key": "visit-1"}
    body = {"pass_id": card.card_number, "amount": "59.90"}
    given = await client.post("/device/visits", json=body, headers=headers)
    assert (given.status_code, given.json()["given_by"]) == (201, "Marie")
    assert (given.json()["stamp_count"], given.json()["points_balance"]) == (10, 59)
    again = await client.post("/device/visits", json=body, headers=headers)
    assert again.json() == given.json()
    reward = next(row for row in given.json()["rewards"] if row["ready"])
    redeemed = await client.post(
        "/device/redemptions",
        json={"pass_id": card.card_number, "reward_id": reward["id"]},
        headers=device.headers,
    )
    assert (redeemed.status_code, redeemed.json()["stamp_count"]) == (201, 0)
    void = {"kind": "redemption", "target_id": redeemed.json()["redemption_id"]}
    taken = await client.post("/device/voids", json=void, headers=device.headers)
    assert (taken.status_code, taken.json()["stamp_count"]) == (201, 10)
    state = await client.get(f"/device/cards/{card.card_number}", headers=device.headers)
    assert (state.json()["stamp_count"], state.json()["points_balance"]) == (10, 59)


async def test_without_shift_nothing_is_given(client, database, clock):
    """A paired device without a shift, and one without a pairing, give nothing and say so."""
    store = await make_store(database, await make_merchant(database))
    device, card = await make_device(database, store), await make_card(database, store)
    body = {"pass_id": card.card_number}
    closed = await client.post("/device/visits", json=body, headers=device.headers)
    assert (closed.status_code, closed.json()["code"]) == (401, "unauthenticated")
    stranger = await client.post("/device/visits", json=body)
    assert (stranger.status_code, stranger.json()["code"]) == (403, "device_revoked")
