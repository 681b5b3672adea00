"""Members who are limited to some stores: no page and no call shows them anything of another store.

What only the other store has is planted there under words that stand nowhere else, and looked for in every answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import select, text

from app.db.session import Database, tenant_scope
from app.dependencies import StoreRef
from app.installed import INSTALLED
from app.kernel.permissions import ROLES, Principal
from app.modules.accounts.factories import MADE_AT, MadeMember, make_member
from app.modules.cards.factories import make_card
from app.modules.cards.public import PassObject
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.staff.models import StaffMember
from app.modules.staff.service import rotate_pin
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit
from tests.security.test_permission_matrix import ROUTES, url_of

# Planted in the other store, and found nowhere else.
MARKS = ("Zzquarry", "Zzmarla", "Zzstaffan", "Zztablet", "Zzreward")
# Answers in which a mark may stand, each with its reason.
MAY_SHOW: dict[str, str] = {}
LIMITED = [role for role in ROLES if role != "owner"]


@dataclass(frozen=True)
class TwoStores:
    """A business with a store of the limited members, and another one full of marks."""

    merchant: MadeMerchant
    own: UUID
    members: dict[str, MadeMember]
    ids: dict[str, UUID]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(database: Database, app: FastAPI) -> TwoStores:
    """Return the business; the marks came about over HTTP, as in life."""
    merchant = await make_merchant(database)
    own = await make_store(database, merchant, "hybrid", name="Ours")
    other = await make_store(database, merchant, "hybrid", name="Zzquarry")
    modules = [module.name for module in INSTALLED if module.switchable]
    async with tenant_scope(database, merchant.id) as session:
        statement = text("UPDATE merchant SET modules_on = :names WHERE id = :id")
        await session.execute(statement, {"names": modules, "id": merchant.id})
    staff_id, pin = await make_staff(database, other, name="Zzstaffan")
    card = await make_card(database, other, name="Zzmarla")
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:

        async def owner(path: str, body: dict[str, object]) -> None:
            answer = await client.post(path, json=body, headers=merchant.headers)
            assert answer.status_code == 201, answer.text

        stamp = {"pass_id": card.card_number, "staff_pin": pin}
        await owner(f"/stores/{other.id}/devices", {"name": "Zztablet"})
        await owner(f"/stores/{other.id}/rewards", {"kind": "stamps", "threshold": 5, "title": "Zzreward"})
        client.cookies.clear()
        answer = await client.post(f"/stamp/{other.id}", json=stamp)
        assert answer.status_code == 201, answer.text
    async with tenant_scope(database, merchant.id) as session:
        visit_id = (await session.scalars(select(Visit.id))).one()
        held = select(PassObject.customer_id).where(PassObject.id == card.id)
        customer_id = (await session.scalars(held)).one()
    ids = {
        "store_id": other.id,
        "staff_id": staff_id,
        "pass_id": card.id,
        "customer_id": customer_id,
        "visit_id": visit_id,
    }
    members = {role: await make_member(database, merchant.id, role, store_ids=(own.id,)) for role in LIMITED}
    return TwoStores(merchant, own.id, members, ids)


GETS = [route for route in ROUTES if route.method == "GET"]


async def shown_to(
    client: httpx2.AsyncClient, app: FastAPI, shop: TwoStores, headers: dict[str, str]
) -> dict[str, list[str]]:
    """Open every page and call with the other store's ids and with the own one's; return the marks found."""
    found: dict[str, list[str]] = {}
    for route in GETS:
        for ids in (shop.ids, {**shop.ids, "store_id": shop.own}):
            await app.state.limiter.reset()
            client.cookies.clear()
            answer = await client.get(url_of(route, ids), headers={**headers, "accept": "*/*"})
            marks = [mark for mark in MARKS if mark in answer.text]
            if marks and route.path not in MAY_SHOW:
                found[str(route)] = marks
    return found


@pytest.mark.parametrize("role", LIMITED)
async def test_nothing_of_another_store_is_shown(
    role: str, client: httpx2.AsyncClient, app: FastAPI, shop: TwoStores
) -> None:
    """Over all pages and calls that read, whoever is limited to one store meets no mark of the other."""
    assert await shown_to(client, app, shop, shop.members[role].headers) == {}


async def test_control_the_owner_meets_every_mark(
    client: httpx2.AsyncClient, app: FastAPI, shop: TwoStores
) -> None:
    """The marks are there to be seen: who is not limited sees each of them somewhere, on many pages."""
    found = await shown_to(client, app, shop, shop.merchant.headers)

    assert {mark for marks in found.values() for mark in marks} == set(MARKS)
    assert len(found) >= 10


async def test_control_without_the_limit_a_manager_meets_them(
    client: httpx2.AsyncClient, app: FastAPI, shop: TwoStores, database: Database
) -> None:
    """The same role with every store reads what the limited one must not."""
    whole = await make_member(database, shop.merchant.id, "manager")

    assert len(await shown_to(client, app, shop, whole.headers)) >= 10


def test_exceptions_are_routes() -> None:
    """An exception that names no route is out of date."""
    assert set(MAY_SHOW) <= {route.path for route in GETS}


@pytest.mark.parametrize("path", ["/dashboard/audit", "/dashboard/audit.csv", "/audit"])
async def test_the_trail_of_the_whole_business_is_not_for_the_limited(
    path: str, client: httpx2.AsyncClient, shop: TwoStores, database: Database
) -> None:
    """Entries name no store: who is limited to one reads none of them, a manager of all reads them."""
    whole = await make_member(database, shop.merchant.id, "manager")

    assert (await client.get(path, headers=shop.members["manager"].headers)).status_code == 403
    assert (await client.get(path, headers=whole.headers)).status_code == 200


async def test_people_of_another_store_are_not_changed(
    client: httpx2.AsyncClient, shop: TwoStores, database: Database
) -> None:
    """Whoever works only elsewhere is not found; who works here and there is seen and stays as they are."""
    manager = shop.members["manager"]
    other = StoreRef(shop.merchant.id, shop.ids["store_id"])
    shared, _pin = await make_staff(database, StoreRef(shop.merchant.id, shop.own), name="Both")
    async with tenant_scope(database, shop.merchant.id) as session:
        by = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
        await rotate_pin(session, other, shared, by=by, now=MADE_AT)

    answers = [
        await client.request(
            method, f"/stores/{shop.own}/staff/{staff_id}", json=body, headers=manager.headers
        )
        for staff_id in (shop.ids["staff_id"], shared)
        for method, body in (("PATCH", {"name": "Changed"}), ("DELETE", None))
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 403, 403]
    async with tenant_scope(database, shop.merchant.id) as session:
        rows = await session.execute(
            select(StaffMember.name, StaffMember.left_at).where(
                StaffMember.id.in_([shop.ids["staff_id"], shared])
            )
        )
        assert sorted(map(tuple, rows)) == [("Both", None), ("Zzstaffan", None)]
