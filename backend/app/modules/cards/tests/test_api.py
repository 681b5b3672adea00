"""POST /passes/create, as the outside sees it."""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.cards import access
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.cards.public import find_card
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.stores.factories import make_store
from app.utils.id_generator import new_id, parse_card_number


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant)


async def rows(database, merchant, model):
    async with tenant_scope(database, merchant.id) as session:
        return list(
            await session.scalars(select(model).where(model.merchant_id == merchant.id).order_by(model.id))
        )


async def create(client, store, **body):
    return await client.post("/passes/create", json={"store_id": str(store.id), **body})


async def test_a_card_needs_only_a_store(client, database, merchant, store):
    """Nothing but the store: a card with a number, and addresses that carry its token."""
    response = await create(client, store)

    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"pass_id", "card_number", "card_url", "add_to_wallet_url", "apple_wallet_url"}
    assert parse_card_number(body["card_number"]) == body["card_number"]
    token = parse_qs(urlsplit(body["card_url"]).query)["t"][0]
    assert body["card_url"] == f"http://testserver/card/{body['pass_id']}?t={token}"
    assert body["add_to_wallet_url"] == body["card_url"].replace("/card/", "/passes/google/")
    assert body["apple_wallet_url"] == f"http://testserver/passes/apple/{body['pass_id']}?t={token}"
    [card] = await rows(database, merchant, PassObject)
    assert (str(card.id), card.stamp_count, card.points_balance, card.status) == (
        body["pass_id"],
        0,
        0,
        "active",
    )
    assert await rows(database, merchant, OutboxMessage) == []


async def test_consent_is_recorded_in_the_words_that_were_shown(client, clock, database, merchant, store):
    """One record: wording, version, language, source, moment, and the address as a keyed hash only."""
    response = await create(
        client, store, email="Ada@Example.com", email_consent=True, locale="fr", name="Ada"
    )

    assert response.status_code == 201
    [customer] = await rows(database, merchant, Customer)
    assert (customer.name, customer.email, customer.email_consent) == ("Ada", "Ada@example.com", True)
    assert customer.email_consent_at == clock.now()
    assert customer.email_verified_at is None
    [record] = await rows(database, merchant, ConsentRecord)
    assert (record.customer_id, record.given, record.purpose, record.channel, record.source) == (
        customer.id,
        True,
        "marketing",
        "email",
        "api",
    )
    assert record.text_shown.startswith("J’accepte")
    assert (record.text_version, record.locale, record.at) == ("2026-11", "fr", clock.now())
    assert len(record.address_mac) == 32
    assert b"ada" not in record.address_mac.lower()


async def test_the_english_consent_is_the_seeds_sentence(client, database, merchant, store):
    """The wording is exactly that of the seed, section 6.3."""
    await create(client, store, email="ada@example.com", email_consent=True, locale="en")

    [record] = await rows(database, merchant, ConsentRecord)
    assert record.text_shown == "I agree to receive loyalty updates and promotions."


@pytest.mark.parametrize("body", [{"email": "a@example.com"}, {"email_consent": True}, {}])
async def test_no_consent_without_box_and_address(client, database, merchant, store, body):
    """A ticked box without an address, or an address without the box, agrees to nothing."""
    assert (await create(client, store, **body)).status_code == 201

    assert await rows(database, merchant, ConsentRecord) == []
    [customer] = await rows(database, merchant, Customer)
    assert (customer.email_consent, customer.email_consent_at) == (False, None)


async def test_a_known_address_is_answered_like_an_unknown_one(client, database, merchant, store):
    """Same status, same members, a fresh card, one mail each; the old card stays where it is."""
    old = await make_card(database, store, email="known@example.com", verified=True, stamps=4)

    known = await create(client, store, email="KNOWN@example.com", locale="en")
    unknown = await create(client, store, email="unknown@example.com", locale="en")

    assert known.status_code == unknown.status_code == 201
    assert set(known.json()) == set(unknown.json())
    assert known.headers.keys() == unknown.headers.keys()
    assert known.json()["pass_id"] != str(old.id)
    cards = {card.id: card for card in await rows(database, merchant, PassObject)}
    assert (cards[old.id].stamp_count, cards[old.id].status) == (4, "active")
    mails = await rows(database, merchant, OutboxMessage)
    # The factory's own card was the first to be written to.
    assert [mail.recipient for mail in mails] == [
        "known@example.com",
        "KNOWN@example.com",
        "unknown@example.com",
    ]


async def test_a_repeated_request_gives_the_same_card(client, database, merchant, store):
    """Same key and body: the same card and token; another body: 422."""
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"store_id": str(store.id), "name": "Ada"}

    first = await client.post("/passes/create", json=body, headers=headers)
    again = await client.post("/passes/create", json=body, headers=headers)
    other = await client.post("/passes/create", json=body | {"name": "Eve"}, headers=headers)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len(await rows(database, merchant, PassObject)) == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", None),
        ("   ", None),
        ("\x00", None),
        ("\u202eevil\u202c", "evil"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("'; DROP TABLE pass_object; --", "'; DROP TABLE pass_object; --"),
        ("{{ 7*7 }} %s %(name)s", "{{ 7*7 }} %s %(name)s"),
        ("田中さん 👩‍👩‍👧 Zoë", "田中さん 👩‍👩‍👧 Zoë"),
        ("Robert\nTables", "Robert Tables"),
    ],
)
async def test_naughty_names_are_data(client, database, merchant, store, name, kept):
    """Any text is kept as a name, without what could reorder or cut the text around it."""
    assert (await create(client, store, name=name)).status_code == 201

    [customer] = await rows(database, merchant, Customer)
    assert customer.name == kept


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 121},
        {"email": "not an address"},
        {"email": "a@b"},
        {"phone": "call me"},
        {"birthday": "2025-02-29"},
        {"birthday": "2999-01-01"},
        {"birthday": "yesterday"},
        {"email_consent": "yes"},
        {"locale": "xx"},
        {"surprise": 1},
    ],
)
async def test_unusable_details_are_refused_and_nothing_is_made(client, database, merchant, store, body):
    """422 invalid, and no customer and no card."""
    response = await create(client, store, **body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert await rows(database, merchant, Customer) == []


async def test_a_name_of_a_megabyte_is_too_large(client, database, merchant, store):
    """A body over the limit is refused before it is read."""
    response = await create(client, store, name="x" * 1_000_000)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert await rows(database, merchant, Customer) == []


async def test_a_birthday_may_come_without_a_year(client, database, merchant, store):
    """29 February is a birthday."""
    assert (await create(client, store, birthday="02-29")).status_code == 201

    [customer] = await rows(database, merchant, Customer)
    assert (customer.birthday_day, customer.birthday_month, customer.birthday_year) == (29, 2, None)


async def test_an_unknown_store_is_not_found(client):
    """One answer for every store that is not there."""
    response = await client.post("/passes/create", json={"store_id": str(new_id())})

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_only_the_cards_own_token_opens_it(client, database, merchant, store):
    """Another card's token, a changed one, a card number, a revoked one: all 401."""
    card, other = await make_card(database, store), await make_card(database, store)
    foreign_store = await make_store(database, await make_merchant(database))
    foreign = await make_card(database, foreign_store)
    forged = card.token[:-2] + ("AA" if card.token[-2:] != "AA" else "BB")
    crossed = foreign.token[:22] + card.token[22:]
    for text in (
        "",
        other.token,
        foreign.token,
        forged,
        crossed,
        card.card_number,
        str(card.id),
        card.token + "A",
    ):
        response = await client.get(f"/passes/{card.id}", params={"t": text})
        assert response.status_code == 401, text

    async with tenant_scope(database, merchant.id) as session:
        await session.execute(
            PassObject.__table__.update()
            .where(PassObject.merchant_id == merchant.id, PassObject.id == card.id)
            .values(token_version=2)
        )
    assert (await client.get(f"/passes/{card.id}?t={card.token}")).status_code == 401


async def test_every_card_has_its_own_number(client, database, merchant, store):
    """Twenty cards, twenty numbers."""
    for _ in range(20):
        assert (await create(client, store)).status_code == 201

    async with tenant_scope(database, merchant.id) as session:
        distinct = await session.scalar(select(func.count(func.distinct(PassObject.card_number))))
    assert distinct == 20


async def test_a_mailbox_is_not_flooded(client, database, merchant, store):
    """Ten cards with one typed address: ten equal answers, and six mails in an hour."""
    answers = [await create(client, store, email="victim@example.com") for _ in range(10)]

    assert {answer.status_code for answer in answers} == {201}
    assert len({frozenset(answer.json()) for answer in answers}) == 1
    assert len(await rows(database, merchant, PassObject)) == 10
    assert len(await rows(database, merchant, OutboxMessage)) == 6


async def test_without_the_mac_any_claim_would_open_a_card(client, database, store, monkeypatch):
    """The control of the tests above: the guard taken away, a forged token is let in."""
    card = await make_card(database, store)
    forged = card.token[:-2] + ("AA" if card.token[-2:] != "AA" else "BB")
    assert (await client.get(f"/passes/{card.id}", params={"t": forged})).status_code == 401

    monkeypatch.setattr(access, "same", lambda left, right: True)

    assert (await client.get(f"/passes/{card.id}", params={"t": forged})).status_code == 200


async def test_erasing_ends_the_cards_and_keeps_the_ledger(client, database, merchant, store):
    """Every offer of PERSONAL_DATA run: no token, no number, no name; the entries still balance."""
    card = await make_card(database, store, name="Ada", email="ada@example.com", email_consent=True, stamps=3)

    async with tenant_scope(database, merchant.id) as session:
        for _name, handler in PERSONAL_DATA.items():
            await handler.erase(session, merchant.id, card.customer_id)

    assert (await client.get(f"/passes/{card.id}?t={card.token}")).status_code == 401
    async with tenant_scope(database, merchant.id) as session:
        assert await find_card(session, merchant.id, card.card_number) is None
    [customer] = await rows(database, merchant, Customer)
    assert (customer.id, customer.name, customer.email, customer.email_consent) == (
        card.customer_id,
        None,
        None,
        False,
    )
    [row] = await rows(database, merchant, PassObject)
    assert (row.status, row.stamp_count) == ("erased", 3)
    [record] = await rows(database, merchant, ConsentRecord)
    assert record.customer_id == card.customer_id
