"""The dashboard's customers: found, shown, blocked; a neighbour's never."""

import re

import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.crm.listing import HITS_AT_ONCE, PAGE_SIZE, list_people
from app.modules.customers.public import AudienceFilter, CustomerDetails, add_customers
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from tests.fixtures import START

HTML = {"Accept": "text/html"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant)


async def send(client, merchant, page, action):
    """Send a form of a page as the signed-in owner."""
    shown = await client.get(page, headers=HTML | merchant.headers)
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text).group(1)
    # The page set the CSRF cookie in the client; the session's comes with it.
    for name, value in merchant.cookies.items():
        client.cookies.set(name, value)
    return await client.post(action, data={"csrf": token}, headers=HTML)


@pytest.mark.parametrize("search", ["lovel", "ADA@EXAMPLE", "621 123", "number"])
async def test_customers_are_found(client, database, merchant, store, search):
    """By part of the name, the e-mail or the phone, and by the whole card number."""
    card = await make_card(
        database, store, name="Ada Lovelace", email="ada@example.com", phone="+352621123456"
    )
    await make_card(database, store, name="Grace Hopper")
    typed = card.card_number.lower() if search == "number" else search

    page = await client.get("/dashboard/customers", params={"q": typed}, headers=HTML | merchant.headers)

    assert page.status_code == 200
    assert "Ada Lovelace" in page.text
    assert "Grace Hopper" not in page.text


@pytest.mark.parametrize("search", ["%", "_", "\\", "' OR 1=1 --", "<script>", "x\x00y", "🙈" * 500])
async def test_a_search_is_text(client, database, merchant, store, search):
    """Signs of patterns and of SQL mean themselves."""
    await make_card(database, store, name="Ada Lovelace")

    page = await client.get("/dashboard/customers", params={"q": search}, headers=HTML | merchant.headers)

    assert page.status_code == 200
    assert "Ada Lovelace" not in page.text
    assert "<script>" not in page.text.replace("<script defer src", "")


async def test_the_list_goes_on(client, database, merchant, store):
    """Fifty a page, the newest first; the second page has the rest."""
    for number in range(51):
        await make_card(database, store, name=f"Person {number:03d}")

    first = await client.get("/dashboard/customers", headers=HTML | merchant.headers)
    following = re.search(r'href="(/dashboard/customers\?after=[^"]+)"', first.text).group(1)
    second = await client.get(following, headers=HTML | merchant.headers)

    assert "Person 050" in first.text
    assert "Person 000" not in first.text
    assert "Person 000" in second.text
    assert "Person 001" not in second.text


async def test_a_neighbours_customers_stay_hidden(client, database, merchant, store):
    """Not in the list, not by id, not by number, and their cards are not ours to block."""
    neighbour = await make_merchant(database)
    foreign = await make_card(database, await make_store(database, neighbour), name="Eve")

    found = await client.get(f"/dashboard/customers?q={foreign.card_number}", headers=HTML | merchant.headers)
    profile = await client.get(f"/dashboard/customers/{foreign.customer_id}", headers=HTML | merchant.headers)
    mine = await make_card(database, store, name="Ada")
    blocked = await send(
        client, merchant, f"/dashboard/customers/{mine.customer_id}", f"/dashboard/cards/{foreign.id}/block"
    )

    assert "Eve" not in found.text
    assert profile.status_code == 404
    assert blocked.status_code == 404
    async with tenant_scope(database, neighbour.id) as session:
        assert await session.scalar(select(PassObject.status)) == "active"


async def test_a_blocked_card_is_blocked_and_noted(client, database, merchant, store):
    """Block and unblock from the profile; both stand in the audit, without a name."""
    card = await make_card(database, store, name="Ada Lovelace")
    page = f"/dashboard/customers/{card.customer_id}"

    for action, status in (("block", "blocked"), ("unblock", "active")):
        answer = await send(client, merchant, page, f"/dashboard/cards/{card.id}/{action}")
        assert (answer.status_code, answer.headers["location"]) == (303, page)
        async with tenant_scope(database, merchant.id) as session:
            assert await session.scalar(select(PassObject.status).where(PassObject.id == card.id)) == status

    async with tenant_scope(database, merchant.id) as session:
        audits = list(
            await session.scalars(
                select(AuditEntry).where(AuditEntry.target_id == card.id).order_by(AuditEntry.id)
            )
        )
    assert [entry.action for entry in audits] == ["card.blocked", "card.unblocked"]
    assert all("Ada" not in str(entry.facts) for entry in audits)


async def test_the_profile_shows_what_was_agreed(client, database, merchant, store):
    """The consent's own words, and the card's balance."""
    card = await make_card(database, store, name="Ada", email="ada@example.com", email_consent=True, stamps=7)

    page = await client.get(f"/dashboard/customers/{card.customer_id}", headers=HTML | merchant.headers)

    assert page.status_code == 200
    assert "I agree to receive loyalty updates and promotions." in page.text
    assert "7 / 10" in page.text


async def test_strangers_see_no_customer(client):
    """Without a session a browser is sent to sign in, and a program gets 401."""
    page = await client.get("/dashboard/customers", headers=HTML)
    answer = await client.get("/dashboard/customers")

    assert (page.status_code, answer.status_code) == (303, 401)


async def test_a_search_with_many_hits_is_paged_like_the_list(database, merchant, store):
    """Every hit is shown once, the newest first, over pages that the hits looked at first do not fill."""
    people = [
        CustomerDetails(
            name=f"Miller {n}", email=f"miller{n}@example.com" if n % 7 == 0 else None, phone=None
        )
        for n in range(3 * HITS_AT_ONCE)
    ]
    async with tenant_scope(database, merchant.id) as session:
        added = await add_customers(session, merchant.id, people, consent=None, now=START)
        await session.execute(
            text("UPDATE customer SET email_consent = true WHERE merchant_id = :m AND email IS NOT NULL"),
            {"m": merchant.id},
        )
    pages = {}
    for consent in (None, "yes"):
        chosen, after, seen = AudienceFilter(text="miller", consent=consent), "", []
        while after is not None:
            async with tenant_scope(database, merchant.id) as session:
                page = await list_people(session, merchant.id, chosen, order="newest", after=after, now=START)
            seen.append([row.id for row in page.people])
            after = page.next
        pages[consent] = seen

    everybody = sorted(added, reverse=True)
    assert [len(page) for page in pages[None]] == [PAGE_SIZE] * 6
    assert [one for page in pages[None] for one in page] == everybody
    assert [len(page) for page in pages["yes"]] == [43]
    mailed = {one for n, one in enumerate(added) if n % 7 == 0}
    assert pages["yes"][0] == [one for one in everybody if one in mailed]
