"""Every role on every route of the dashboard, as docs/permissions.md says; and everybody else on all of them.

The rows come from the document, which a test elsewhere compares with the routes, and the answers from HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import Database, tenant_scope, to_async_url
from app.installed import INSTALLED
from app.kernel.permissions import ROLES, Principal
from app.kernel.web.limits import Limiter
from app.modules.accounts.factories import make_member, sign_in_as
from app.modules.accounts.models import MerchantSession
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.utils.id_generator import new_id
from tools.lint.sources import ROOT

LINE = re.compile(
    r"^\| (?P<methods>[A-Z, ]+) \| `(?P<path>[^`]+)` \| dashboard member \| `[^`]*` \|(?P<roles>.*)\|$"
)
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Route:
    """A row of the document: who may call a method of a path."""

    method: str
    path: str
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def read_routes() -> list[Route]:
    """Return the dashboard member's rows of docs/permissions.md, one for each method."""
    found = []
    for line in (ROOT / "docs" / "permissions.md").read_text().splitlines():
        row = LINE.match(line)
        if row is None:
            continue
        cells = [cell.strip() for cell in row["roles"].split("|")]
        roles = frozenset(role for role, cell in zip(ROLES, cells, strict=False) if cell == "yes")
        found += [Route(method, row["path"], roles) for method in row["methods"].split(", ")]
    return found


ROUTES = read_routes()


@dataclass(frozen=True)
class Shop:
    """A business with something of everything, and a member of each role."""

    merchant: MadeMerchant
    members: dict[str, UUID]
    ids: dict[str, UUID]


async def make_shop(database: Database) -> Shop:
    """Make a business with everything switched on, a store, staff, a card, and a member of each role."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "hybrid")
    staff_id, _pin = await make_staff(database, store)
    card = await make_card(database, store, stamps=2, points=30)
    await switch_everything_on(database, merchant.id)
    members = {"owner": merchant.owner_id}
    for role in ROLES[1:]:
        members[role] = (await make_member(database, merchant.id, role)).id
    ids = {"store_id": store.id, "staff_id": staff_id, "pass_id": card.id, "member_id": members["manager"]}
    return Shop(merchant, members, ids)


async def switch_everything_on(database: Database, merchant_id: UUID) -> None:
    """Let a business have every feature there is."""
    switchable = [module.name for module in INSTALLED if module.switchable]
    async with tenant_scope(database, merchant_id) as session:
        statement = text("UPDATE merchant SET modules_on = :names WHERE id = :id")
        await session.execute(statement, {"names": switchable, "id": merchant_id})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(database: Database) -> Shop:
    """Return the business whose routes are called."""
    return await make_shop(database)


def url_of(route: Route, ids: dict[str, UUID]) -> str:
    """Return the path with the shop's ids where there are some, and ids of nothing elsewhere."""
    return PARAMETER.sub(lambda found: str(ids.get(found[1], new_id())), route.path)


async def call(
    client: httpx2.AsyncClient, app: FastAPI, route: Route, ids: dict[str, UUID], **headers: str
) -> Any:
    """Call a route with an empty form or body, so that whoever is let in changes nothing."""
    limiter: Limiter = app.state.limiter
    await limiter.reset()
    client.cookies.clear()
    body: dict[str, Any] = {} if route.method in {"GET", "DELETE"} else {"json": {}}
    return await client.request(
        route.method, url_of(route, ids), headers={"Origin": "http://testserver", **headers}, **body
    )


def verdict(answer: httpx2.Response) -> str:
    """Return how far a call came: anonymous, forbidden or in."""
    code = answer.json().get("code", "") if "problem" in answer.headers.get("content-type", "") else ""
    if answer.status_code == 401:
        return "anonymous"
    return "forbidden" if answer.status_code == 403 and code == "forbidden" else "in"


def test_the_document_names_the_routes() -> None:
    """The matrix is not empty by accident, and every role is kept out of something and let in somewhere."""
    assert len(ROUTES) > 80
    for role in ROLES[1:]:
        assert any(role in route.roles for route in ROUTES), role
        assert any(role not in route.roles for route in ROUTES), role
    assert all("owner" in route.roles for route in ROUTES)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_in_where_the_document_says(
    role: str, client: httpx2.AsyncClient, app: FastAPI, database: Database, shop: Shop
) -> None:
    """Of all routes, a role enters exactly those in its column; the others say forbidden."""
    wrong = []
    ids = {name: value for name, value in shop.ids.items() if name == "store_id"}
    for route in ROUTES:
        headers = await sign_in_as(database, shop.merchant.id, shop.members[role])
        answer = await call(client, app, route, ids, **headers)
        expected = "in" if role in route.roles else "forbidden"
        if verdict(answer) != expected or answer.status_code >= 500:
            wrong.append(f"{route}: {answer.status_code} {verdict(answer)}, not {expected}")

    assert wrong == []


async def test_control_a_role_that_holds_too_much_is_found(
    client: httpx2.AsyncClient,
    app: FastAPI,
    database: Database,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the check of permissions taken away, an analyst enters what the document forbids."""
    monkeypatch.setattr(Principal, "may", lambda _self, _permission: True)
    headers = await sign_in_as(database, shop.merchant.id, shop.members["analyst"])

    route = next(route for route in ROUTES if str(route) == "GET /api-keys")
    assert verdict(await call(client, app, route, {}, **headers)) == "in"


@pytest.mark.parametrize("who", ["anonymous", "revoked", "disabled", "forged"])
async def test_nobody_else_gets_in(
    who: str, client: httpx2.AsyncClient, app: FastAPI, database: Database, shop: Shop
) -> None:
    """Without a session, with an ended one, as a closed member, or with a made-up cookie every route says 401."""
    headers = await outsider(who, database, shop)
    wrong = []
    for route in ROUTES:
        answer = await call(client, app, route, shop.ids, **headers)
        if verdict(answer) != "anonymous":
            wrong.append(f"{route}: {answer.status_code}")

    assert wrong == []


async def outsider(who: str, database: Database, shop: Shop) -> dict[str, str]:
    """Return the headers of somebody who is not let in."""
    if who == "anonymous":
        return {}
    if who == "disabled":
        member = await make_member(database, shop.merchant.id, "manager")
        async with tenant_scope(database, shop.merchant.id) as session:
            statement = text("UPDATE member SET disabled_at = now() WHERE id = :id")
            await session.execute(statement, {"id": member.id})
        return member.headers
    headers = await sign_in_as(database, shop.merchant.id, shop.merchant.owner_id)
    if who == "revoked":
        async with tenant_scope(database, shop.merchant.id) as session:
            await session.execute(update(MerchantSession).values(revoked_at=MerchantSession.created_at))
        return headers
    return {**headers, "Cookie": headers["Cookie"][:-4] + "AAAA"}


async def rows_of(admin_url: str, merchant_id: UUID) -> dict[str, str]:
    """Return a sum over every tenant table's rows of one business, except the moments it was last seen."""
    engine = create_async_engine(to_async_url(admin_url))
    query = (
        "SELECT table_name FROM information_schema.columns"
        " WHERE column_name = 'merchant_id' AND table_schema = 'public'"
    )
    async with engine.connect() as connection:
        tables = [row[0] for row in await connection.execute(text(query)) if row[0] != "lookup"]
        sums = {}
        for table in sorted(tables):
            sum_up = text(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"  # noqa: S608
                " WHERE merchant_id = :merchant_id"
            )
            sums[table] = await connection.scalar(sum_up, {"merchant_id": merchant_id})
    await engine.dispose()
    return sums


async def test_another_business_reaches_nothing(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, shop: Shop, admin_url: str
) -> None:
    """The owner of another business, with this one's ids in hand, is let into no path and changes no row."""
    other = await make_merchant(database)
    await switch_everything_on(database, other.id)
    before = await rows_of(admin_url, shop.merchant.id)
    wrong = []
    for route in ROUTES:
        if not set(PARAMETER.findall(route.path)) & set(shop.ids):
            continue
        headers = await sign_in_as(database, other.id, other.owner_id)
        answer = await call(client, app, route, shop.ids, **headers)
        if answer.status_code not in {404, 422}:
            wrong.append(f"{route}: {answer.status_code}")

    assert wrong == []
    assert await rows_of(admin_url, shop.merchant.id) == before


async def test_a_member_of_one_store_reaches_no_other(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, shop: Shop
) -> None:
    """A manager limited to another store gets not_found on every route of this store, and in on those of their own."""
    own = await make_store(database, shop.merchant, "stamps")
    manager = await make_member(database, shop.merchant.id, "manager", store_ids=(own.id,))
    wrong = []
    for route in ROUTES:
        if "{store_id}" not in route.path or "manager" not in route.roles:
            continue
        answer = await call(client, app, route, shop.ids, **manager.headers)
        allowed = await call(client, app, route, {"store_id": own.id}, **manager.headers)
        if answer.status_code != 404 or verdict(allowed) != "in":
            wrong.append(f"{route}: {answer.status_code} {allowed.status_code}")

    assert wrong == []
