"""What a merchant does about one customer: correct, edit, note, tag, join, erase."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.ledger import INVARIANT
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.crm.rules import Balance, confirms_erasure, decide_correction
from app.modules.customers.public import get_customer
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}


class Shop:
    """A merchant's dashboard, as a browser."""

    def __init__(self, client, database) -> None:
        self.client, self.database = client, database

    async def open(self, loyalty_type="hybrid"):
        self.merchant = await make_merchant(self.database)
        self.store = await make_store(self.database, self.merchant, loyalty_type)
        return self

    async def get(self, path, who=None):
        self.client.cookies.clear()
        return await self.client.get(path, headers=HTML | (who or self.merchant).headers)

    async def post(self, page, path, who=None, **data):
        """Send a form of a page; what the page gives besides (token, key) comes along."""
        self.client.cookies.clear()
        self.client.cookies.update((who or self.merchant).cookies)
        shown = await self.client.get(page, headers=HTML)
        hidden = {
            name: re.search(rf'name="{name}" value="([^"]+)"', shown.text)
            for name in ("csrf", "idempotency_key")
        }
        given = {name: match.group(1) for name, match in hidden.items() if match} | data
        return await self.client.post(path, data=given, headers=HTML)

    async def card(self, card_id):
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (await session.scalars(select(PassObject).where(PassObject.id == card_id))).one()

    async def actions(self):
        async with tenant_scope(self.database, self.merchant.id) as session:
            entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
        return [(entry.action, entry.facts) for entry in entries]

    async def check_ledgers(self):
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = [row for _name, check in INVARIANT.items() for row in await check(session)]
        assert found == []


@pytest.fixture
async def shop(client, database):
    return await Shop(client, database).open()


@pytest.mark.parametrize(
    ("balance", "change", "code"),
    [
        (Balance("stamps", 3, 10, 0), {"stamps": 7}, None),
        (Balance("stamps", 3, 10, 0), {"stamps": 8}, "card_full"),
        (Balance("stamps", 3, 10, 0), {"stamps": -3}, None),
        (Balance("stamps", 3, 10, 0), {"stamps": -4}, "below_zero"),
        (Balance("stamps", 3, 10, 0), {"stamps": -4, "force": True}, None),
        (Balance("points", 0, 10, 50), {"points": -51}, "below_zero"),
        (Balance("points", 0, 10, 50), {"points": -50}, None),
        (Balance("points", 0, 10, 50), {"stamps": 1}, "wrong_loyalty_type"),
        (Balance("stamps", 0, 10, 0), {"points": 1}, "wrong_loyalty_type"),
        (Balance("points", 0, 10, -20), {"points": 5}, None),
    ],
)
def test_corrections_stay_within_the_card(balance, change, code):
    """Boundaries on both sides: full, zero, forced, and what the programme does not have."""
    refusal = decide_correction(balance, **{"stamps": 0, "points": 0, "force": False, **change})

    assert (refusal.code if refusal else None) == code


def test_only_the_customer_confirms_an_erasure():
    """The name in any capitals, the address, or a card's number; nothing, and somebody else's, do not."""
    who = {"name": "Ada  Lovelace", "email": "ada@example.com", "numbers": ["7K3QF0M2XW9P"]}

    assert [confirms_erasure(typed, **who) for typed in ("ada lovelace", "Ada@Example.com")] == [True, True]
    assert [confirms_erasure(typed, **who) for typed in ("", " ", "ada", "Grace")] == [False] * 4
    assert not confirms_erasure("", name=None, email=None, numbers=[])


async def test_a_balance_is_corrected_once(shop):
    """Stamps and points move by entries; the form sent twice moves them once; audit and note say why."""
    card = await make_card(shop.database, shop.store, name="Ada", stamps=3, points=40)
    base = f"/dashboard/customers/{card.customer_id}"
    data = {
        "pass_id": str(card.id),
        "stamps": "2",
        "points": "-15",
        "reason": "forgotten",
        "note": "Rang twice",
    }
    first = await shop.post(f"{base}/correct", f"{base}/correct", idempotency_key="k" * 20, **data)
    again = await shop.post(f"{base}/correct", f"{base}/correct", idempotency_key="k" * 20, **data)

    assert (first.status_code, again.status_code) == (303, 303)
    moved = await shop.card(card.id)
    assert (moved.stamp_count, moved.points_balance) == (5, 25)
    page = await shop.get(base)
    assert "Corrected by hand" in page.text
    assert "Rang twice" in page.text
    facts = {"stamps": 2, "points": -15, "reason": "forgotten", "forced": False}
    assert [entry for entry in await shop.actions() if entry[0] == "card.adjusted"] == [
        ("card.adjusted", facts)
    ]
    await shop.check_ledgers()


async def test_below_zero_needs_force(shop):
    """Refused with a box to force it, and nothing moved; forced, the debt stands, and the ledgers agree."""
    card = await make_card(shop.database, shop.store, name="Ada", points=40)
    page = f"/dashboard/customers/{card.customer_id}/correct"
    data = {"pass_id": str(card.id), "points": "-50", "reason": "mistake"}

    refused = await shop.post(page, page, **data)
    assert refused.status_code == 422
    assert 'name="force"' in refused.text
    assert (await shop.card(card.id)).points_balance == 40

    assert (await shop.post(page, page, force="true", **data)).status_code == 303
    assert (await shop.card(card.id)).points_balance == -10
    await shop.check_ledgers()


async def test_an_analyst_looks_and_changes_nothing(shop):
    """The profile opens without its buttons; correcting and erasing are forbidden, and nothing happened."""
    card = await make_card(shop.database, shop.store, name="Ada", points=40)
    analyst = await make_member(shop.database, shop.merchant.id, "analyst")
    base = f"/dashboard/customers/{card.customer_id}"

    shown = await shop.get(base, analyst)
    data = {"pass_id": str(card.id), "points": "5", "reason": "other"}
    corrected = await shop.post(base, f"{base}/correct", analyst, **data)
    erased = await shop.post(base, f"{base}/erase", analyst, typed="Ada")

    assert shown.status_code == 200
    assert "/correct" not in shown.text
    assert (corrected.status_code, erased.status_code) == (403, 403)
    assert (await shop.card(card.id)).points_balance == 40


async def test_a_member_of_one_store_sees_its_customers(shop):
    """Another store's customers are not in the list and not by id."""
    other = await make_store(shop.database, shop.merchant, name="Kirchberg")
    mine = await make_card(shop.database, shop.store, name="Ada Here")
    foreign = await make_card(shop.database, other, name="Bob There")
    member = await make_member(shop.database, shop.merchant.id, "manager", store_ids=(shop.store.id,))

    listed = await shop.get("/dashboard/customers", member)
    assert "Ada Here" in listed.text
    assert "Bob There" not in listed.text
    assert (await shop.get(f"/dashboard/customers/{mine.customer_id}", member)).status_code == 200
    assert (await shop.get(f"/dashboard/customers/{foreign.customer_id}", member)).status_code == 404


async def test_a_new_address_is_not_confirmed(shop):
    """The old agreement ends, the new address gets a link, and the search finds the new details."""
    card = await make_card(
        shop.database, shop.store, name="Ada", email="ada@example.com", email_consent=True, verified=True
    )
    page = f"/dashboard/customers/{card.customer_id}/edit"
    answer = await shop.post(
        page, page, name="Countess", email="new@example.com", phone="", birthday="12-10", locale="fr"
    )

    assert answer.status_code == 303
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        person = await get_customer(session, shop.merchant.id, card.customer_id)
        links = await session.scalar(
            text("SELECT count(*) FROM outbox_message WHERE recipient = 'new@example.com'")
        )
    assert (person.name, person.email, str(person.birthday)) == ("Countess", "new@example.com", "--12-10")
    assert (person.email_verified_at, person.email_consent) == (None, False)
    assert links == 1
    assert "Countess" in (await shop.get("/dashboard/customers?q=count")).text
    assert "Countess" not in (await shop.get("/dashboard/customers?q=ada@")).text


async def test_two_customers_become_one(shop):
    """Balances add up, notes and tags come along, the duplicate is blanked, and its agreement stays behind."""
    kept = await make_card(
        shop.database, shop.store, name="Ada", email="ada@example.com", stamps=3, points=10
    )
    gone = await make_card(
        shop.database,
        shop.store,
        name="Ada L",
        email="other@example.com",
        email_consent=True,
        stamps=2,
        points=5,
    )
    base, old = (f"/dashboard/customers/{card.customer_id}" for card in (kept, gone))
    await shop.post(old, f"{old}/tags", tag_name="VIP")
    await shop.post(old, f"{old}/notes", text="Likes oat milk")

    shown = await shop.get(f"{base}/merge?source={gone.customer_id}")
    assert "5 stamps" in shown.text
    assert "does not follow" in shown.text
    assert (
        await shop.post(
            f"{base}/merge?source={gone.customer_id}", f"{base}/merge", source=str(gone.customer_id)
        )
    ).status_code == 303

    card, merged = await shop.card(kept.id), await shop.card(gone.id)
    assert (card.stamp_count, card.points_balance) == (5, 15)
    assert (merged.status, merged.merged_into) == ("merged", kept.id)
    page = (await shop.get(base)).text
    assert all(word in page for word in ("VIP", "Likes oat milk", "Moved between cards"))
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        person = await get_customer(session, shop.merchant.id, kept.customer_id)
        blanked = await get_customer(session, shop.merchant.id, gone.customer_id)
    assert (person.email, person.email_consent) == ("ada@example.com", False)
    assert (blanked.name, blanked.email) == (None, None)
    await shop.check_ledgers()


async def test_nobody_is_joined_with_themselves_or_a_neighbour(shop):
    """Both are answered as unknown, and nothing happened."""
    card = await make_card(shop.database, shop.store, name="Ada", stamps=3)
    neighbour = await make_merchant(shop.database)
    foreign = await make_card(shop.database, await make_store(shop.database, neighbour), name="Eve")
    base = f"/dashboard/customers/{card.customer_id}"

    answers = [
        await shop.post(f"{base}/edit", f"{base}/merge", source=str(key))
        for key in (card.customer_id, foreign.customer_id)
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await shop.card(card.id)).stamp_count == 3


async def test_erasing_asks_who_it_is(shop):
    """A wrong name erases nobody; the right one leaves no name, note, tag or row of the search, and ledgers agree."""
    card = await make_card(shop.database, shop.store, name="Ada Lovelace", email="ada@example.com", points=40)
    base = f"/dashboard/customers/{card.customer_id}"
    await shop.post(base, f"{base}/notes", text="Likes oat milk")
    await shop.post(base, f"{base}/tags", tag_name="VIP")

    wrong = await shop.post(f"{base}/erase", f"{base}/erase", typed="Grace")
    assert wrong.status_code == 422
    assert "Ada Lovelace" in (await shop.get(base)).text

    assert (await shop.post(f"{base}/erase", f"{base}/erase", typed="ada lovelace")).status_code == 303
    assert (await shop.card(card.id)).status == "erased"
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        for table in ("customer_note", "customer_tag", "customer_search"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
    page = await shop.get(base)
    assert page.status_code == 200
    assert "Ada" not in page.text
    assert (await shop.get(f"{base}/edit")).status_code == 404
    await shop.check_ledgers()


async def test_their_data_come_as_a_file(shop):
    """Every module's part, notes and tags among them."""
    card = await make_card(shop.database, shop.store, name="Ada", email="ada@example.com")
    base = f"/dashboard/customers/{card.customer_id}"
    await shop.post(base, f"{base}/notes", text="Likes oat milk")

    answer = await shop.get(f"{base}/data.json")

    assert answer.headers["content-disposition"] == 'attachment; filename="customer.json"'
    assert answer.json()["customers"]["customer"]["name"] == "Ada"
    assert answer.json()["customers"]["notes"][0]["text"] == "Likes oat milk"
    assert answer.json()["cards"]["cards"][0]["card_number"] == card.card_number


async def test_the_history_goes_on(shop):
    """Twenty-five lines a page; following pages hold the rest, each line once, and the oldest is the joining."""
    card = await make_card(shop.database, shop.store, name="Ada", points=0)
    page = f"/dashboard/customers/{card.customer_id}/correct"
    for number in range(27):
        data = {
            "pass_id": str(card.id),
            "points": "1",
            "reason": "goodwill",
            "idempotency_key": f"key-{number:020d}",
        }
        assert (await shop.post(page, page, **data)).status_code == 303

    first = await shop.get(f"/dashboard/customers/{card.customer_id}")
    following = re.search(r'hx-get="([^"]+after=[^"]+)"', first.text).group(1).replace("&amp;", "&")
    second = await shop.get(following)

    assert first.text.count("Corrected by hand") == 25
    assert second.text.count("Corrected by hand") == 2
    assert "Card made" in second.text
    assert "Card made" not in first.text


async def test_many_are_tagged_at_once(shop):
    """Those ticked; then all that a search finds; a neighbour's id is left out."""
    ada = await make_card(shop.database, shop.store, name="Ada")
    await make_card(shop.database, shop.store, name="Adam")
    await make_card(shop.database, shop.store, name="Grace")
    neighbour = await make_merchant(shop.database)
    foreign = await make_card(shop.database, await make_store(shop.database, neighbour))
    url = "/dashboard/customers"

    ticked = {
        "customer": [str(ada.customer_id), str(foreign.customer_id)],
        "tag_name": "One",
        "whom": "picked",
    }
    assert (await shop.post(url, f"{url}/tag", **ticked)).status_code == 303
    assert (await shop.post(url, f"{url}/tag", q="ada", tag_name="Two", whom="all")).status_code == 303

    facts = [entry[1]["customers"] for entry in await shop.actions() if entry[0] == "customers.tagged"]
    assert facts == [1, 2]


@pytest.mark.parametrize("order", ["name", "visit", "newest"])
async def test_each_order_has_all_pages(shop, order):
    """Fifty-one customers, some without a name or a visit: every one once, over two pages."""
    for number in range(51):
        columns = {"last_visit_at": shop.store.created_at} if number % 3 else None
        await make_card(
            shop.database, shop.store, name=f"P{number:02d}" if number % 5 else None, columns=columns
        )

    first = await shop.get(f"/dashboard/customers?order={order}")
    following = re.search(r'href="(/dashboard/customers\?[^"]*after=[^"]+)"', first.text).group(1)
    second = await shop.get(following.replace("&amp;", "&"))
    ids = [set(re.findall(r'name="customer" value="([^"]+)"', page.text)) for page in (first, second)]

    assert [len(found) for found in ids] == [50, 1]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "order=visit&after=WyJub3cnIiwgIngiXQ",
        "month=13",
        "tag=x",
        "visits_min=-1",
        "store=1",
        "order=drop",
    ],
)
async def test_an_address_written_by_hand_is_harmless(shop, query):
    """What makes no sense is left out."""
    await make_card(shop.database, shop.store, name="Ada")

    page = await shop.get(f"/dashboard/customers?{query}")

    assert page.status_code == 200
    assert "Ada" in page.text
