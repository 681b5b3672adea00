"""Every route, whatever its row, asked by everybody it is not for: nothing personal comes out, nothing changes.

The routes come from the application: a new one is asked without anybody writing it down.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.installed import INSTALLED
from app.kernel.web.cookies import cookie_name
from app.main import create_app
from app.modules.cards import access
from app.modules.cards.access import CARDS_COOKIE
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.service import revoke_card_links
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import MADE_AT, make_device, make_staff
from app.modules.stores.factories import make_store
from app.process import Process
from tests.architecture.documents import docs
from tests.security.test_permission_matrix import rows_of

PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
NAME, EMAIL, PHONE = "Planted Person Zq7731", "planted-zq7731@example.com", "+352621773199"
PLANTED = ("Zq7731", "zq7731", "621773199", "621 773 199")
# Statuses that let nobody in; 303 leads to a sign-in, a pairing page or the visitor's own.
SHUT_OUT = {303, 401, 403, 404, 405, 413, 415, 422}
# Rows that a stranger's try is meant to leave behind: it is counted.
COUNTED = {"pin_attempt", "idempotency_key", "audit_entry"}
# Rows of the application whose purpose is that a stranger makes something: a card, a sign-up, a mail.
OPEN_KINDS = {"public", "operator", "link"}
OWN_CARD = re.compile(r'href="(/card/[0-9a-f-]{36})"')
# The demo's mailbox shows every mail, and is there in demo mode only: see the last test.
DEMO_ONLY = "/demo/"
CALLERS = (
    "anonymous",
    "another customer",
    "another merchant's customer",
    "another merchant's owner",
    "another merchant's device",
    "a revoked card",
    "a revoked device",
    "a forged card",
)


@dataclass(frozen=True)
class Place:
    """A shop with a person in it, and the headers of everybody who is not that person's shop or card."""

    merchant: MadeMerchant
    card: MadeCard
    ids: dict[str, str]
    body: dict[str, Any]
    callers: dict[str, dict[str, str]] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)


def cookie_of(database: Database, token: str) -> dict[str, str]:
    """Return the headers of a device that keeps this card."""
    return {"Cookie": f"{cookie_name(database.settings, CARDS_COOKIE)}={token}"}


async def make_other_callers(database: Database, store: Any, card: MadeCard) -> dict[str, dict[str, str]]:
    """Return the headers of each caller."""
    other = await make_merchant(database)
    other_store = await make_store(database, other, "hybrid")
    _, other_pin = await make_staff(database, other_store)
    foreign_device = await make_device(database, other_store, pin=other_pin)
    revoked_device = await make_device(database, store)
    revoked = await make_card(database, store, name="Somebody")
    async with tenant_scope(database, store.merchant_id) as session:
        await revoke_card_links(session, store.merchant_id, revoked.id, now=MADE_AT)
        statement = text("UPDATE staff_device SET revoked_at = now() WHERE id = :id")
        await session.execute(statement, {"id": revoked_device.id})
    neighbour = await make_card(database, store, name="Neighbour")
    foreign = await make_card(database, other_store, name="Foreigner")
    return {
        "anonymous": {},
        "another customer": cookie_of(database, neighbour.token),
        "another merchant's customer": cookie_of(database, foreign.token),
        "another merchant's owner": other.headers,
        "another merchant's device": foreign_device.headers,
        "a revoked card": cookie_of(database, revoked.token),
        "a revoked device": revoked_device.headers,
        "a forged card": cookie_of(database, card.token[:-6] + "AAAAAA"),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(database: Database) -> Place:
    """Return the shop that everybody tries."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "hybrid")
    staff_id, _pin = await make_staff(database, store)
    card = await make_card(
        database, store, stamps=3, points=500, name=NAME, email=EMAIL, phone=PHONE, verified=True
    )
    async with tenant_scope(database, merchant.id) as session:
        reward = str(await session.scalar(text("SELECT id FROM reward LIMIT 1")))
        names = [module.name for module in INSTALLED if module.switchable]
        await session.execute(
            text("UPDATE merchant SET modules_on = :names WHERE id = :id"),
            {"names": names, "id": merchant.id},
        )
    ids = {
        "store_id": str(store.id),
        "pass_id": str(card.id),
        "card_id": str(card.id),
        "serial": str(card.id),
        "customer_id": str(card.customer_id),
        "staff_id": str(staff_id),
        "reward_id": reward,
        "merchant_id": str(merchant.id),
        "program_id": str(card.program_id),
    }
    body = {
        **ids,
        "card": card.card_number,
        "card_number": card.card_number,
        "staff_pin": "000000",
        "pin": "000000",
        "quantity": 1,
        "amount": "5.00",
    }
    callers = await make_other_callers(database, store, card)
    assert tuple(callers) == CALLERS
    return Place(merchant, card, ids, body, callers, cookie_of(database, card.token))


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client that keeps no cookie of its own."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def look_at_own_cards(visitor: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Open what is the caller's own, as everybody does: a card's first look leaves a row of that card behind."""
    answer = await visitor.get("/cards", headers=headers, follow_redirects=True)
    for path in {answer.url.path, *OWN_CARD.findall(answer.text)}:
        await visitor.get(path, headers=headers)


def list_requests(app: FastAPI) -> list[tuple[str, str, str]]:
    """Return (method, path, kind of its row) of every route, streams and static files aside."""
    found = []
    for route in docs.list_routes(list(app.routes)):
        access_row = docs.row_of(route)
        if (
            access_row is None
            or route.path.startswith(("/static/", DEMO_ONLY))
            or route.path.endswith("/live")
        ):
            continue
        found += [
            (method, route.path, access_row.kind)
            for method in sorted(route.methods or ())
            if method != "HEAD"
        ]
    return found


def url_of(path: str, ids: dict[str, str]) -> str:
    """Return the path with the person's ids in it; what nobody named is an id of nothing."""
    return PARAMETER.sub(lambda found: ids.get(found[1], str(uuid4())), path)


async def ask(
    client: httpx2.AsyncClient, method: str, url: str, place: Place, headers: dict[str, str]
) -> list[httpx2.Response]:
    """Ask as a program and as a page would, with all ids in the body."""
    client.cookies.clear()
    origin = {"Origin": "http://testserver", **headers}
    if method == "GET":
        query = {"card": place.card.card_number, "pass_id": str(place.card.id)}
        return [
            await client.get(url, headers={**origin, "Accept": kind}, params=query)
            for kind in ("application/json", "text/html")
        ]
    return [
        await client.request(method, url, headers=origin, json=place.body),
        await client.request(method, url, headers=origin, json={}),
        await client.request(method, url, headers=origin),
    ]


@pytest.mark.parametrize("who", CALLERS)
async def test_nobody_else_gets_a_persons_data_or_changes_it(
    who: str, app: FastAPI, visitor: httpx2.AsyncClient, place: Place, admin_url: str
) -> None:
    """On every route: no 5xx, no planted name, address or number, no row of the shop changed."""
    await look_at_own_cards(visitor, place.callers[who])
    before = await rows_of(admin_url, place.merchant.id)
    wrong = []
    requests = list_requests(app)
    for method, path, kind in requests:
        if kind in OPEN_KINDS and method != "GET":
            continue
        await app.state.limiter.reset()
        for answer in await ask(visitor, method, url_of(path, place.ids), place, place.callers[who]):
            if answer.status_code >= 500:
                wrong.append(f"{method} {path}: {answer.status_code}")
            if any(part in answer.text for part in PLANTED):
                wrong.append(f"{method} {path}: shows the person")
            # A member of another shop has pages of its own; what is asked by this person's ids stays shut.
            names_person = set(PARAMETER.findall(path)) & set(place.ids)
            if kind not in OPEN_KINDS and names_person and answer.status_code not in SHUT_OUT:
                wrong.append(f"{method} {path}: {answer.status_code}")
    after = await rows_of(admin_url, place.merchant.id)
    changed = {table for table in before if before[table] != after[table]} - COUNTED

    assert len(requests) > 150
    assert wrong == []
    assert changed == set()


async def test_ids_in_links_and_open_routes_show_nothing_personal(
    app: FastAPI, visitor: httpx2.AsyncClient, place: Place
) -> None:
    """Posting all ids to public routes tells nobody the person's name, address or number."""
    wrong = []
    for method, path, kind in list_requests(app):
        if kind not in OPEN_KINDS or method == "GET":
            continue
        await app.state.limiter.reset()
        for answer in await ask(visitor, method, url_of(path, place.ids), place, {}):
            if answer.status_code >= 500 or any(part in answer.text for part in PLANTED):
                wrong.append(f"{method} {path}: {answer.status_code}")

    assert wrong == []


async def test_control_the_holder_sees_what_the_others_do_not(
    app: FastAPI, visitor: httpx2.AsyncClient, place: Place, database: Database
) -> None:
    """The planted name is there for its holder and for its shop, so that its absence above means something."""
    own = await visitor.get(f"/card/{place.card.id}", headers=place.holder)
    customer: UUID = place.card.customer_id
    shop = await visitor.get(f"/dashboard/customers/{customer}", headers=place.merchant.headers)

    assert PLANTED[0] in own.text
    assert PLANTED[0] in shop.text


async def test_control_without_the_mac_a_forged_card_sees_the_person(
    app: FastAPI, visitor: httpx2.AsyncClient, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: an id with anything behind it is a credential."""
    forged = place.callers["a forged card"]
    assert PLANTED[0] not in (await visitor.get(f"/card/{place.card.id}", headers=forged)).text

    monkeypatch.setattr(access, "same", lambda left, right: True)
    assert PLANTED[0] in (await visitor.get(f"/card/{place.card.id}", headers=forged)).text


async def test_the_demos_own_pages_are_not_there_outside_demo_mode(
    settings: Settings, process: Process, place: Place
) -> None:
    """A real installation answers not_found for the mailbox and for what else begins with /demo/."""
    real = settings.model_copy(update={"demo": False, "public_url": "https://cards.example.com"})
    app = create_app(real, process=process)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    paths = [route.path for route in docs.list_routes(list(app.routes)) if route.path.startswith(DEMO_ONLY)]
    async with httpx2.AsyncClient(transport=transport, base_url=real.public_url) as client:
        answers = [await client.get(url_of(path, place.ids)) for path in paths]

    assert len(paths) >= 2
    assert {answer.status_code for answer in answers} <= {404, 405}
    assert not any(part in answer.text for part in PLANTED for answer in answers)
