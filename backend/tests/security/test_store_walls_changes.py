"""Members who are limited to some stores change nothing of another store, and nothing that holds for all of them.

Every changing route without a store in its path stands below, in one of the ways in which it is kept apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import select, text

from app.db.session import Database, tenant_scope
from app.installed import INSTALLED
from app.kernel.permissions import Permission
from app.modules.accounts.factories import MadeMember, make_member
from app.modules.cards.factories import make_card
from app.modules.cards.public import PassObject
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit
from app.utils.id_generator import new_id
from tests.security.test_permission_matrix import PARAMETER, ROUTES, rows_of

HTML = {"accept": "text/html"}
# The own account, and nothing else: no other person, no store.
OWN = r"/(sessions|account|dashboard/account|dashboard/sessions)(/.*)?"
# What holds for every store: forbidden to who is limited to some, with a body that others are let in by.
OF_ALL_STORES: Mapping[str, Mapping[str, str]] = {
    "/stores": {"name": "Third", "loyalty_type": "stamps"},
    "/dashboard/stores/new": {"name": "Third", "loyalty_type": "stamps"},
    "/dashboard/messages/addresses/lift": {"address": "anna@example.com"},
    "/dashboard/messages/quiet": {"quiet_from": "20:00", "quiet_to": "08:00"},
    "/dashboard/messages/automatic/{kind}/{wish}": {},
    "/dashboard/messages/automatic/{kind}": {
        "wish": "save",
        "locale": "en",
        "subject": "Hello",
        "text": "Come back",
    },
    "/dashboard/analytics/liability/cost": {"reward_cost": "2.50"},
    "/dashboard/fraud/settings": {},
    "/dashboard/fraud/own-cards": {"staff_id": "{staff_id}", "card": "{card_number}"},
    "/dashboard/fraud/own-cards/remove": {"staff_id": "{staff_id}", "pass_id": "{pass_id}"},
    "/dashboard/fraud/fingerprints/{wish}": {},
    "/dashboard/fingerprints": {"days_kept": "30", "cards_max": "3"},
    "/dashboard/tiers/first": {},
    "/dashboard/tiers": {"basis": "spend"},
    "/dashboard/tiers/levels/new": {"name": "Gold", "threshold": "10"},
    "/dashboard/tiers/levels/{level_id}": {"name": "Gold", "threshold": "10"},
    "/dashboard/tiers/levels/{level_id}/remove": {},
    "/dashboard/birthdays": {"gift": "points", "points": "50"},
    "/dashboard/cashback": {"percent": "2", "expiry_months": "12"},
    "/dashboard/referrals": {"visits_needed": "1"},
    "/dashboard/referrals/{referral_id}/approve": {},
    "/dashboard/referrals/{referral_id}/decline": {},
    "/dashboard/webhooks": {"url": "https://till.example.com/stempel", "events": "visit.given"},
    "/dashboard/webhooks/{endpoint_id}": {"url": "https://till.example.com/stempel", "events": "visit.given"},
    "/dashboard/webhooks/{endpoint_id}/on": {},
    "/dashboard/webhooks/{endpoint_id}/off": {},
    "/dashboard/webhooks/{endpoint_id}/secret": {},
    "/dashboard/webhooks/{endpoint_id}/remove": {},
    "/dashboard/webhooks/{endpoint_id}/test": {},
    "/dashboard/webhooks/{endpoint_id}/redeliver": {},
    "/dashboard/webhooks/{endpoint_id}/{delivery_id}/redeliver": {},
    "/webhooks/endpoints": {"url": "https://till.example.com/stempel", "events": "visit.given"},
    "/webhooks/endpoints/{endpoint_id}/switch": {},
    "/webhooks/endpoints/{endpoint_id}/secret": {},
    "/webhooks/endpoints/{endpoint_id}/test": {},
    "/webhooks/endpoints/{endpoint_id}/redeliver": {},
    "/dashboard/customers/tags/{tag_id}/delete": {},
    "/dashboard/customers/imports": {},
    "/dashboard/customers/imports/{run_id}/check": {},
    "/dashboard/customers/imports/{run_id}/start": {},
    "/dashboard/customers/imports/{run_id}/undo": {},
    "/dashboard/customers/imports/{run_id}/discard": {},
}
# Found by the id of something of the other store, which is not there for who is limited.
BY_ID: Mapping[str, Mapping[str, str]] = {
    "/devices/{device_id}/pairing": {},
    "/devices/{device_id}": {},
    "/dashboard/devices/{device_id}/pairing": {},
    "/dashboard/devices/{device_id}/revoke": {},
    "/dashboard/customers/{customer_id}/correct": {
        "pass_id": "{pass_id}",
        "stamps": "1",
        "reason": "mistake",
    },
    "/dashboard/customers/{customer_id}/edit": {"name": "Changed"},
    "/dashboard/customers/{customer_id}/notes": {"text": "Changed"},
    "/dashboard/customers/{customer_id}/notes/{note_id}/delete": {},
    "/dashboard/customers/{customer_id}/tags": {"name": "Changed"},
    "/dashboard/customers/{customer_id}/tags/{tag_id}/remove": {},
    "/dashboard/customers/{customer_id}/unsubscribe": {},
    "/dashboard/customers/{customer_id}/merge": {"source": "{customer_id}"},
    "/dashboard/customers/{customer_id}/erase": {"sure": "true"},
    "/dashboard/cards/{pass_id}/block": {},
    "/dashboard/cashback/cards/{pass_id}": {"amount": "1", "idempotency_key": "walls"},
    "/dashboard/cards/{pass_id}/unblock": {},
    "/dashboard/cards/{pass_id}/revoke-links": {},
    "/dashboard/messages/news/{news_id}/{wish}": {"wish": "test"},
    "/dashboard/visits/{visit_id}/void": {"reason": "mistake"},
    "/dashboard/exports/{table}": {"form": "csv"},
}
# Kept apart in other ways, each shown by a test of its own.
ELSEWHERE = {
    "/dashboard/customers/tag": "only customers in reach: test_only_customers_in_reach_are_tagged",
    "/dashboard/messages/new": "writes to customers in reach: app/modules/nudges/tests/test_news.py",
    "/dashboard/exports/files/{export_id}": "the own files only: app/modules/exports/tests",
    "/dashboard/fraud/{finding_id}/decide": "app/modules/fraud/tests/test_deciding.py",
    "/dashboard/fraud/{finding_id}/undo": "app/modules/fraud/tests/test_deciding.py",
    "/webhooks/endpoints/{endpoint_id}": "PUT and DELETE: test_no_one_limited_changes_or_removes_a_webhook",
    "/dashboard/start": "makes a first store: as /stores",
    "/dashboard/start/programme": "of the first store in reach",
    "/dashboard/start/design": "of the first store in reach",
    "/dashboard/start/team": "of the first store in reach",
}
WORDS = {"kind": "reward_ready", "wish": "on", "table": "customers"}
CHANGING = [
    route
    for route in ROUTES
    if route.method != "GET" and "manager" in route.roles and "{store_id}" not in route.path
]


@dataclass(frozen=True)
class Shop:
    """A business with two stores, something of each kind in the other one, and a manager of the own one."""

    merchant: MadeMerchant
    own: UUID
    limited: MadeMember
    whole: MadeMember
    ids: dict[str, str]

    def path_of(self, path: str) -> str:
        """Return a path or a value with what stands in the other store."""
        names = {**WORDS, **self.ids}
        return PARAMETER.sub(lambda found: names.get(found[1], str(new_id())), path)


async def post(
    client: httpx2.AsyncClient,
    app: FastAPI,
    member: MadeMember | MadeMerchant,
    path: str,
    data: Mapping[str, str],
) -> httpx2.Response:
    """Send a form as the member's browser does, or a body where the address takes JSON."""
    await app.state.limiter.reset()
    client.cookies.clear()
    shown = await client.get("/dashboard/account", headers=member.headers)
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
    assert token is not None
    cookie = "; ".join([member.headers["Cookie"], *(f"{n}={v}" for n, v in client.cookies.items())])
    client.cookies.clear()
    headers = {**member.headers, "Cookie": cookie, **HTML}
    if not path.startswith("/dashboard"):
        return await client.post(path, json=dict(data), headers=headers)
    return await client.post(path, data={**data, "csrf": token[1]}, headers=headers)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(client: httpx2.AsyncClient, app: FastAPI, database: Database) -> Shop:
    """Return the business; what the other store has came about over HTTP."""
    merchant = await make_merchant(database)
    own = await make_store(database, merchant, "hybrid", name="Ours")
    other = await make_store(database, merchant, "hybrid", name="Theirs")
    modules = [module.name for module in INSTALLED if module.switchable]
    async with tenant_scope(database, merchant.id) as session:
        statement = text("UPDATE merchant SET modules_on = :names WHERE id = :id")
        await session.execute(statement, {"names": modules, "id": merchant.id})
    staff_id, pin = await make_staff(database, other, name="Theirs")
    card = await make_card(database, other, name="Theirs")
    stamp = {"pass_id": card.card_number, "staff_pin": pin}
    client.cookies.clear()
    assert (await client.post(f"/stamp/{other.id}", json=stamp)).status_code == 201
    made = await client.post(f"/stores/{other.id}/devices", json={"name": "Theirs"}, headers=merchant.headers)
    written = {"kind": "promotion", "subject": "Everybody", "text": "Come and see"}
    draft = await post(client, app, merchant, "/dashboard/messages/new", written)
    assert draft.status_code == 303, draft.text
    async with tenant_scope(database, merchant.id) as session:
        visit_id = (await session.scalars(select(Visit.id))).one()
        customer_id = (
            await session.scalars(select(PassObject.customer_id).where(PassObject.id == card.id))
        ).one()
    ids = {
        "device_id": made.json()["id"],
        "news_id": draft.headers["location"].rpartition("/")[2],
        "customer_id": str(customer_id),
        "pass_id": str(card.id),
        "card_number": card.card_number,
        "staff_id": str(staff_id),
        "visit_id": str(visit_id),
    }
    limited = await make_member(database, merchant.id, "manager", store_ids=(own.id,))
    whole = await make_member(database, merchant.id, "manager")
    return Shop(merchant, own.id, limited, whole, ids)


def test_every_changing_route_is_kept_apart_in_one_way() -> None:
    """A new route that names no store must say here how a member limited to one is kept from the others."""
    ways = [
        lambda path: re.fullmatch(OWN, path) is not None,
        *(lambda path, way=way: path in way for way in (OF_ALL_STORES, BY_ID, ELSEWHERE)),
    ]
    wrong = {route.path: [way(route.path) for way in ways] for route in CHANGING}

    assert {path for path, found in wrong.items() if sum(found) != 1} == set()
    assert {*OF_ALL_STORES, *BY_ID, *ELSEWHERE} <= {route.path for route in CHANGING}


async def changes_of(
    client: httpx2.AsyncClient,
    app: FastAPI,
    shop: Shop,
    member: MadeMember,
    ways: Mapping[str, Mapping[str, str]],
) -> dict[str, int]:
    """Send every form with the other store's ids; return what was answered. data: also fills the path."""
    found = {}
    for path, data in ways.items():
        sent = {name: shop.path_of(value) for name, value in data.items()}
        url = shop.path_of(PARAMETER.sub(lambda part, sent=sent: sent.get(part[1], part[0]), path))
        found[path] = (await post(client, app, member, url, sent)).status_code
    return found


async def test_what_holds_for_all_stores_is_not_set_by_who_is_limited_to_some(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop, admin_url: str
) -> None:
    """Each of these is forbidden to a manager of one store, and no row of the business changes."""
    before = await rows_of(admin_url, shop.merchant.id)

    answers = await changes_of(client, app, shop, shop.limited, OF_ALL_STORES)

    assert {path: status for path, status in answers.items() if status != 403} == {}
    assert await rows_of(admin_url, shop.merchant.id) == before


async def test_no_one_limited_changes_or_removes_a_webhook(client: httpx2.AsyncClient, shop: Shop) -> None:
    """Forbidden before it is looked for; a manager of every store is told that there is none."""
    url = f"/webhooks/endpoints/{new_id()}"
    body = {"url": "https://till.example.com/stempel", "events": ["visit.given"]}
    client.cookies.clear()
    answers = [
        (
            (await client.put(url, json=body, headers=member.headers)).status_code,
            (await client.delete(url, headers=member.headers)).status_code,
        )
        for member in (shop.limited, shop.whole)
    ]

    assert answers == [(403, 403), (404, 404)]


async def test_control_a_manager_of_every_store_is_let_in(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop
) -> None:
    """The same role without the limit is forbidden none of them, so that the limit alone is what forbids."""
    answers = await changes_of(client, app, shop, shop.whole, OF_ALL_STORES)

    assert {path for path, status in answers.items() if status == 403 or status >= 500} == set()


async def test_control_without_the_rule_who_is_limited_sets_what_holds_for_all(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stores left out of the permission, the limited manager makes levels for the whole business."""
    monkeypatch.setattr(Permission, "is_held_by", lambda self, role, **_stores: role in self.roles)

    answers = await changes_of(client, app, shop, shop.limited, OF_ALL_STORES)

    assert answers["/dashboard/tiers/first"] == 303
    assert sum(status == 403 for status in answers.values()) < len(answers) / 2


async def test_what_another_store_has_is_not_there_for_who_is_limited(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop, admin_url: str
) -> None:
    """With ids of the other store's people, cards, visits, devices and messages nothing is found or changed."""
    before = await rows_of(admin_url, shop.merchant.id)
    answers = await changes_of(client, app, shop, shop.limited, BY_ID)
    for wish in ("send", "delete"):
        path = f"/dashboard/messages/news/{{news_id}}/{wish}"
        answers |= await changes_of(client, app, shop, shop.limited, {path: {}})
    client.cookies.clear()
    gone = await client.delete(f"/devices/{shop.ids['device_id']}", headers=shop.limited.headers)

    assert gone.status_code == 404
    assert {path: status for path, status in answers.items() if status not in {404, 405}} == {}
    assert await rows_of(admin_url, shop.merchant.id) == before


async def test_control_without_the_limit_the_same_forms_change_the_other_store(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop, admin_url: str
) -> None:
    """A manager of every store finds all of these, and what they send is done."""
    before = await rows_of(admin_url, shop.merchant.id)
    path = "/dashboard/messages/news/{news_id}/send"

    answers = await changes_of(client, app, shop, shop.whole, {**BY_ID, path: {}})

    assert answers[path] == 303
    # Nobody is joined with themselves, and no note has the made-up id.
    unknown = {f"/dashboard/customers/{{customer_id}}/{what}" for what in ("notes/{note_id}/delete", "merge")}
    assert {path for path, status in answers.items() if status == 404} <= unknown
    after = await rows_of(admin_url, shop.merchant.id)
    changed = {table for table, rows in after.items() if rows != before[table]}
    assert {"customer", "pass_object", "visit", "staff_device", "news"} <= changed


async def test_a_message_of_the_whole_business_is_not_listed_or_shown(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop
) -> None:
    """A manager of one store sees the drafts that go to their customers only: their own."""
    mine = {"kind": "promotion", "subject": "Only ours", "text": "Come and see"}
    kept = await post(client, app, shop.limited, "/dashboard/messages/new", mine)

    listed = await client.get("/dashboard/messages", headers=shop.limited.headers)
    shown = await client.get(kept.headers["location"], headers=shop.limited.headers)
    theirs = await client.get(f"/dashboard/messages/news/{shop.ids['news_id']}", headers=shop.limited.headers)

    assert "Only ours" in listed.text
    assert "Everybody<" not in listed.text
    assert (shown.status_code, theirs.status_code) == (200, 404)
    everything = await client.get("/dashboard/messages", headers=shop.whole.headers)
    assert "Everybody<" in everything.text


async def test_only_customers_in_reach_are_tagged(
    client: httpx2.AsyncClient, app: FastAPI, shop: Shop, database: Database
) -> None:
    """Ticking a customer of another store gives no tag; the control: a manager of every store gives it."""
    data = {"tag_name": "Zztag", "customer": shop.ids["customer_id"]}

    async def tagged() -> int:
        async with tenant_scope(database, shop.merchant.id) as session:
            count = text("SELECT count(*) FROM customer_tag WHERE customer_id = CAST(:id AS uuid)")
            return int(await session.scalar(count, {"id": shop.ids["customer_id"]}) or 0)

    await post(client, app, shop.limited, "/dashboard/customers/tag", data)
    before = await tagged()
    await post(client, app, shop.whole, "/dashboard/customers/tag", data)

    assert (before, await tagged()) == (0, 1)
