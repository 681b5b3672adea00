"""Finding customers: by what words, by which index below row-level security, and who is meant by a filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import tenant_scope, to_async_url
from app.modules.cards.factories import make_card
from app.modules.customers.public import (
    AudienceFilter,
    CustomerDetails,
    add_customers,
    count_audience,
    ensure_tag,
    erase_person,
    list_audience,
    tag_customers,
)
from app.modules.customers.rules import NAMELESS, fold, national_digits, query_terms, search_terms, sort_name
from app.modules.customers.search import find_hits, hit_statements
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Müller-Lüdenscheid", "muller ludenscheid"),
        ("O'Brien", "o brien"),
        ("ÆRØ", "aero"),
        ("Straße", "strasse"),
    ],
)
def test_names_are_compared_without_accents(typed: str, folded: str) -> None:
    """Accents, signs and capitals do not matter."""
    assert fold(typed) == folded


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        ("+352621123456", "621123456"),
        ("00491701234567", "1701234567"),
        ("+12125550100", "2125550100"),
        ("0621123456", "621123456"),
        ("621123456", "621123456"),
    ],
)
def test_a_number_is_known_without_its_country(phone: str, digits: str) -> None:
    """Country codes of one, two and three digits are taken off, and the zero of a national number."""
    assert national_digits(phone) == digits


def test_a_name_is_found_from_each_of_its_words() -> None:
    """In the given order, and with the last name first; a person without a name sorts last."""
    names = {term for kind, term in search_terms("Pieter van der Berg", None, None) if kind == "name"}

    assert names == {
        "pieter van der berg",
        "van der berg pieter",
        "der berg pieter van",
        "berg pieter van der",
    }
    assert (sort_name("Émile"), sort_name(None), sort_name("!!")) == ("emile", NAMELESS, NAMELESS)


def test_what_cannot_be_meant_is_not_searched_for() -> None:
    """Signs find nobody by name, an address none by name, three digits no number."""
    assert query_terms("%_") == [("email", "%_")]
    assert query_terms("ada@") == [("email", "ada@")]
    assert query_terms("123") == [("name", "123"), ("email", "123")]
    assert query_terms("  ") == []


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant)


@pytest.mark.parametrize(
    "typed",
    [
        "ada",
        "LOVE",
        "lovelace ada",
        "byron",
        "ada.l",
        "lovelace@ex",
        "example.org",
        "+352 621",
        "0621 123",
        "3456",
    ],
)
async def test_a_customer_is_found_by_beginnings(database, merchant, store, typed):
    """Of each word of the name, each part of the address, the number, and its end."""
    card = await make_card(
        database,
        store,
        name="Ada Byron Lovelace",
        email="ada.lovelace@example.org",
        phone="+352621123456",
    )
    await make_card(database, store, name="Grace Hopper", email="grace@example.com", phone="+49301234567")

    async with tenant_scope(database, merchant.id) as session:
        assert await find_hits(session, merchant.id, typed) == [card.customer_id]


async def test_an_erased_customer_is_not_found(database, merchant, store):
    """No row of the search is left, and the name that lists order by is gone."""
    card = await make_card(database, store, name="Ada", email="ada@example.com", phone="+352621123456")
    async with tenant_scope(database, merchant.id) as session:
        await erase_person(session, merchant.id, card.customer_id)

    async with tenant_scope(database, merchant.id) as session:
        assert [await find_hits(session, merchant.id, typed) for typed in ("ada", "621123456")] == [[], []]
        row = (
            await session.execute(
                text("SELECT sort_name, email_key FROM customer WHERE id = :id"), {"id": card.customer_id}
            )
        ).one()
        assert tuple(row) == (NAMELESS, None)
        assert await session.scalar(text("SELECT count(*) FROM customer_search")) == 0


# Cards beside the merchant's first one: each like it, with a key, a number and a holder of its own.
MORE_CARDS = """INSERT INTO pass_object
  SELECT (jsonb_populate_record(card, jsonb_build_object(
    'id', gen_random_uuid(), 'card_number', 'crowd-' || customer.id, 'customer_id', customer.id))).*
  FROM pass_object AS card JOIN customer USING (merchant_id)
  WHERE card.merchant_id = :merchant AND card.customer_id <> customer.id"""
CROWD = 1_000


@pytest.fixture
async def crowd(database, merchant, store, admin_url):
    """Give the merchant so many customers that plans depend on them, whatever other tests left; return a card."""
    card = await make_card(database, store, name="Ada", email="Ada@Example.com")
    people = [
        CustomerDetails(name=f"Guest {n}", email=f"guest{n}@example.net", phone=f"+35269{1_000_000 + n}")
        for n in range(CROWD)
    ]
    async with tenant_scope(database, merchant.id) as session:
        await add_customers(session, merchant.id, people, consent=None, now=NOW)
        await session.execute(text(MORE_CARDS), {"merchant": merchant.id})
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE customer, customer_search, pass_object"))
    await engine.dispose()
    return card


async def explained(session, statement: str, values: dict) -> str:
    """Return the plan, as it is when tables are large."""
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    rows = await session.execute(text(f"EXPLAIN {statement}"), values)
    return "\n".join(rows.scalars())


async def test_searches_are_index_conditions_below_row_security(database, merchant, crowd):
    """Kind and term stand in the index condition; the control, ILIKE, is a filter over the whole tenant."""
    async with tenant_scope(database, merchant.id) as session:
        plans = [
            await explained(session, statement, dict(values))
            for typed in ("Ada", "ada@example.com", "621123456", crowd.card_number)
            for statement, values in hit_statements(merchant.id, typed)
        ]
        control = await explained(
            session,
            "SELECT id FROM customer WHERE merchant_id = :m AND name ILIKE 'ada%'",
            {"m": merchant.id},
        )

    conditions = [line for plan in plans for line in plan.splitlines() if "Index Cond" in line]
    assert len(conditions) == len(plans) == 10
    ranges = [line for line in conditions if "term >=" in line and "term <" in line]
    assert len(ranges) == 9, conditions
    assert sum("card_number =" in line for line in conditions) == 1, conditions
    assert "name ~~*" not in "".join(line for line in control.splitlines() if "Index Cond" in line)
    assert "Filter: (name ~~*" in control


@pytest.mark.usefixtures("crowd")
async def test_addresses_are_looked_up_by_index_below_row_security(database, merchant):
    """The plain key is an index condition; the control, lower(email), is not."""
    async with tenant_scope(database, merchant.id) as session:
        values = {"m": merchant.id, "e": "ada@example.com"}
        query = "SELECT id FROM customer WHERE merchant_id = :m AND"
        plan = await explained(session, f"{query} email_key = :e", values)
        control = await explained(session, f"{query} lower(email) = :e", values)

    assert "email_key" in next(line for line in plan.splitlines() if "Index Cond" in line)
    assert "lower" not in "".join(line for line in control.splitlines() if "Index Cond" in line)


async def meant(database, merchant, **conditions) -> set:
    """Return whom a filter means."""
    async with tenant_scope(database, merchant.id) as session:
        chosen = AudienceFilter(**conditions)
        ids = [key async for key in list_audience(session, merchant.id, chosen, now=NOW, batch=2)]
        assert len(ids) == len(set(ids)) == await count_audience(session, merchant.id, chosen, now=NOW)
    return set(ids)


async def test_filters_mean_whom_they_say(database, merchant, store):
    """Each condition alone, and two together; batches of two lose nobody."""
    other = await make_store(database, merchant, name="Kirchberg")
    ada = await make_card(database, store, name="Ada", email="a@example.com", email_consent=True)
    old = NOW - timedelta(days=200)
    bob = await make_card(database, other, name="Bob", now=old, columns={"last_visit_at": old})
    eve = await make_card(database, store, name="Eve", now=old, columns={"reward_unlocked": True})
    dan = await make_card(database, store, name="Dan", now=old, columns={"status": "blocked"})
    everyone = {card.customer_id for card in (ada, bob, eve, dan)}
    async with tenant_scope(database, merchant.id) as session:
        tag = await ensure_tag(session, merchant.id, "VIP", now=NOW)
        await tag_customers(session, merchant.id, tag.id, customer_ids=[eve.customer_id], now=NOW)

    assert await meant(database, merchant) == everyone
    assert await meant(database, merchant, store_id=other.id) == {bob.customer_id}
    assert await meant(database, merchant, within=frozenset({other.id})) == {bob.customer_id}
    assert await meant(database, merchant, consent="yes") == {ada.customer_id}
    assert await meant(database, merchant, consent="no") == everyone - {ada.customer_id}
    assert await meant(database, merchant, activity="new") == {ada.customer_id}
    assert await meant(database, merchant, activity="quiet") == {bob.customer_id}
    assert await meant(database, merchant, activity="never") == everyone - {bob.customer_id}
    assert await meant(database, merchant, activity="back") == set()
    assert await meant(database, merchant, reward=True) == {eve.customer_id}
    assert await meant(database, merchant, blocked=True) == {dan.customer_id}
    assert await meant(database, merchant, tag_id=tag.id) == {eve.customer_id}
    assert await meant(database, merchant, visits_min=1) == set()
    assert await meant(database, merchant, visits_max=0) == everyone
    assert await meant(database, merchant, wallet="none") == everyone
    assert await meant(database, merchant, wallet="apple") == set()
    assert await meant(database, merchant, wallet="google") == set()
    assert await meant(database, merchant, birthday_month=5) == set()
    assert await meant(database, merchant, text="eve", tag_id=tag.id) == {eve.customer_id}
    assert await meant(database, merchant, text="bob", tag_id=tag.id) == set()
