"""Stores, programmes and rewards over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.db.lookup import find_lookup
from app.db.session import Database, tenant_scope
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.modules.stores.public import get_store, list_stores
from app.utils.id_generator import new_id


@pytest.fixture
async def merchant(client: httpx2.AsyncClient, database: Database) -> MadeMerchant:
    """Return a merchant whose owner is signed in on the client."""
    made = await make_merchant(database)
    client.cookies.update(made.cookies)
    return made


async def count_stores(database: Database, merchant: MadeMerchant) -> int:
    """Return how many stores the merchant has."""
    async with tenant_scope(database, merchant.id) as session:
        return len(await list_stores(session, merchant.id))


@pytest.mark.parametrize(
    ("loyalty_type", "rewards"),
    [
        ("stamps", [("stamps", 10)]),
        ("points", [("points", 100)]),
        ("hybrid", [("stamps", 10), ("points", 100)]),
    ],
)
async def test_new_store_has_addresses_and_default_rewards(
    client: httpx2.AsyncClient,
    database: Database,
    merchant: MadeMerchant,
    loyalty_type: str,
    rewards: list[Any],
) -> None:
    """A store answers with its join, stamp and points addresses and comes with a reward per kind."""
    response = await client.post("/stores", json={"name": "CoffeeLux Gare", "loyalty_type": loyalty_type})

    assert response.status_code == 201
    made = response.json()
    assert made["name"] == "CoffeeLux Gare"
    assert made["loyalty_type"] == loyalty_type
    assert made["join_url"] == f"http://testserver/join/{made['id']}"
    assert made["stamp_url"] == f"http://testserver/stamp/{made['id']}"
    assert made["points_url"] == f"http://testserver/points/{made['id']}"
    assert made["time_zone"] == "Europe/Luxembourg"
    listed = (await client.get(f"/stores/{made['id']}/rewards")).json()["rewards"]
    assert [(reward["kind"], reward["threshold"]) for reward in listed] == rewards
    async with tenant_scope(database, merchant.id) as session:
        assert await find_lookup(session, "store", made["id"]) == (merchant.id, UUID(made["id"]))


async def test_second_store_shares_a_programme(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """A store made with program_id works by the same rules, and a change of them shows in both."""
    first = (await client.post("/stores", json={"name": "Gare", "loyalty_type": "stamps"})).json()
    body = {"name": "Kirchberg", "loyalty_type": "stamps", "program_id": first["program_id"]}
    second = (await client.post("/stores", json=body)).json()

    assert second["program_id"] == first["program_id"]
    await client.patch(f"/stores/{first['id']}/programme", json={"cooldown_minutes": 45})
    assert (await client.get(f"/stores/{second['id']}/programme")).json()["cooldown_minutes"] == 45
    assert len((await client.get(f"/stores/{second['id']}/rewards")).json()["rewards"]) == 1


async def test_sharing_another_merchants_programme_is_not_found(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Another merchant's programme cannot be shared, and no store is made."""
    other = await make_store(database, await make_merchant(database))
    body = {"name": "Mine", "loyalty_type": "stamps", "program_id": str(other.program.id)}

    response = await client.post("/stores", json=body)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert await count_stores(database, merchant) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "loyalty_type": "stamps"},
        {"name": "   ", "loyalty_type": "stamps"},
        {"name": "x" * 121, "loyalty_type": "stamps"},
        {"name": "A", "loyalty_type": "magic"},
        {"name": "A", "loyalty_type": "stamps", "time_zone": "Moon/Base"},
        {"name": "A", "loyalty_type": "stamps", "latitude": 91},
        {"name": "A", "loyalty_type": "stamps", "latitude": False},
        {"name": "A", "loyalty_type": "stamps", "opening_hours": {"mon": [["18:00", "09:00"]]}},
        {"name": "A", "loyalty_type": "stamps", "opening_hours": {"someday": []}},
        {"name": "A", "loyalty_type": "stamps", "surprise": 1},
        {"name": 5, "loyalty_type": "stamps"},
    ],
)
async def test_unusable_store_is_refused(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, body: dict[str, Any]
) -> None:
    """A store that makes no sense answers 422 invalid and is not made."""
    response = await client.post("/stores", json=body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert await count_stores(database, merchant) == 0


async def test_repeated_request_makes_one_store(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """The same key and body give the same store; the same key with another body is refused."""
    body = {"name": "Gare", "loyalty_type": "stamps"}
    headers = {"Idempotency-Key": "first-store"}
    first = await client.post("/stores", json=body, headers=headers)
    again = await client.post("/stores", json=body, headers=headers)
    other = await client.post("/stores", json={**body, "name": "Belval"}, headers=headers)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert await count_stores(database, merchant) == 1


async def test_stranger_makes_no_store(client: httpx2.AsyncClient) -> None:
    """Without a credential nothing is made and nothing shown."""
    for response in (
        await client.post("/stores", json={"name": "A", "loyalty_type": "stamps"}),
        await client.get("/stores"),
    ):
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_another_merchants_store_is_not_found(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Every route of a foreign store answers like an unknown one, and the store stays as it was."""
    neighbour = await make_merchant(database)
    foreign = await make_store(database, neighbour)
    reward = {"kind": "stamps", "threshold": 5, "title": "Mine"}
    for store_id in (foreign.id, new_id()):
        for response in (
            await client.get(f"/stores/{store_id}"),
            await client.patch(f"/stores/{store_id}", json={"name": "Mine"}),
            await client.get(f"/stores/{store_id}/programme"),
            await client.patch(f"/stores/{store_id}/programme", json={"stamps_needed": 1}),
            await client.get(f"/stores/{store_id}/rewards"),
            await client.post(f"/stores/{store_id}/rewards", json=reward),
            await client.patch(f"/stores/{store_id}/rewards/{new_id()}", json={"threshold": 1}),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
    async with tenant_scope(database, neighbour.id) as session:
        assert await get_store(session, neighbour.id, foreign.id) == foreign


async def test_programme_takes_every_rule(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """All rules of a programme can be changed at once and read back."""
    made = (await client.post("/stores", json={"name": "Mode Avenue", "loyalty_type": "hybrid"})).json()
    rules = {
        "stamps_needed": 8,
        "points_per_unit": "1.5",
        "rounding": "half_up",
        "cooldown_minutes": 0,
        "stamps_per_visit": 2,
        "visits_per_day": 3,
        "full_card": "carry_on",
        "points_expiry": "after_earned",
        "points_expiry_months": 6,
        "stamps_expiry_months": 3,
        "name": "Mode Club",
        "design": {"palette": "plum", "icon": "shirt"},
    }

    response = await client.patch(f"/stores/{made['id']}/programme", json=rules)

    assert response.status_code == 200
    answer = response.json()
    assert {name: answer[name] for name in rules} == rules
    assert answer["points_expiry_since"] == "2026-11-20T09:00:00Z"
    assert answer["stamps_expiry_since"] == "2026-11-20T09:00:00Z"
    assert answer["design_version"] == 2
    rewards = (await client.get(f"/stores/{made['id']}/rewards")).json()["rewards"]
    assert [(r["kind"], r["threshold"]) for r in rewards] == [("stamps", 8), ("points", 100)]


@pytest.mark.parametrize(
    "change",
    [
        {"stamps_needed": 0},
        {"stamps_needed": 101},
        {"stamps_needed": "10"},
        {"stamps_needed": True},
        {"stamps_needed": None},
        {"points_per_unit": 0},
        {"points_per_unit": -1},
        {"points_per_unit": False},
        {"points_per_unit": "NaN"},
        {"points_per_unit": "1e309"},
        {"points_per_unit": "1,5"},
        {"points_per_unit": "0.00001"},
        {"rounding": "sideways"},
        {"cooldown_minutes": -1},
        {"cooldown_minutes": 10_081},
        {"visits_per_day": 0},
        {"full_card": "explode"},
        {"points_expiry_months": 0},
        {"stamps_expiry_months": 121},
        {"design": {"palette": "mud"}},
        {"design": {"background_color": "red"}},
        {"design": {"icon": "../../etc"}},
        {"loyalty_type": "points"},
        {"id": "x"},
    ],
)
async def test_unusable_rule_is_refused(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, change: dict[str, Any]
) -> None:
    """A rule that makes no sense answers 422 invalid and the programme stays as it was."""
    store = await make_store(database, merchant, "hybrid")

    response = await client.patch(f"/stores/{store.id}/programme", json={"visits_per_day": 2, **change})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    async with tenant_scope(database, merchant.id) as session:
        assert (await get_store(session, merchant.id, store.id)).program == store.program


async def test_stamp_programme_widens_to_hybrid(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Widening a stamp programme keeps its reward and adds one for points."""
    store = await make_store(database, merchant, stamps_needed=6)

    response = await client.patch(f"/stores/{store.id}/programme", json={"loyalty_type": "hybrid"})

    assert response.status_code == 200
    rewards = (await client.get(f"/stores/{store.id}/rewards")).json()["rewards"]
    assert [(r["kind"], r["threshold"]) for r in rewards] == [("stamps", 6), ("points", 100)]


async def test_store_closes_and_opens_again(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Closing sets the moment, opening again clears it; PINs on phones are a switch beside it."""
    store = await make_store(database, merchant)

    closed = (await client.patch(f"/stores/{store.id}", json={"closed": True, "phone_pins": False})).json()
    opened = (await client.patch(f"/stores/{store.id}", json={"closed": False})).json()

    assert (closed["closed_at"], closed["phone_pins"]) == ("2026-11-20T09:00:00Z", False)
    assert (opened["closed_at"], opened["phone_pins"]) == (None, False)
