"""API keys: they open what they were given, and nothing else."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.modules.accounts.models import ApiKey
from app.modules.merchants.factories import make_merchant
from app.utils.id_generator import new_id

pytestmark = pytest.mark.usefixtures("fresh_limits")


async def test_api_key_does_what_its_scopes_say(client: httpx2.AsyncClient, database: Database) -> None:
    """A key opens what it was given, nothing else, and nothing once revoked; only its hash is stored."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)
    body = {"name": "Till", "scopes": ["stores.view"]}
    made = (await client.post("/api-keys", json=body, headers={"Idempotency-Key": "k1"})).json()
    again = (await client.post("/api-keys", json=body, headers={"Idempotency-Key": "k1"})).json()
    listed = (await client.get("/api-keys")).json()["api_keys"]
    owner = dict(client.cookies)
    client.cookies.clear()
    header = {"Authorization": f"Bearer {made['key']}"}

    assert made["key"].startswith(f"sk_{merchant.id.hex}_")
    assert again == made
    assert [row["name"] for row in listed] == ["Till"]
    assert "key" not in listed[0]
    assert (await client.get("/stores", headers=header)).status_code == 200
    refused = await client.post("/stores", json={"name": "A", "loyalty_type": "stamps"}, headers=header)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await client.get("/api-keys", headers=header)).status_code == 401
    async with tenant_scope(database, merchant.id) as session:
        (row,) = (await session.execute(select(ApiKey))).scalars()
    assert made["key"].split("_", 3)[3].encode() not in row.secret_hash
    assert row.last_used_at is not None
    client.cookies.update(owner)
    assert (await client.delete(f"/api-keys/{made['id']}")).status_code == 204
    client.cookies.clear()
    assert (await client.get("/stores", headers=header)).status_code == 401


async def test_wrong_key_does_not_fall_back_to_the_cookie(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """A wrong key beside a good cookie is refused."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)
    forged = f"sk_{merchant.id.hex}_{new_id().hex}_{'x' * 43}"
    for value in (forged, "sk_", "sk_a_b_c", "nonsense"):
        response = await client.get("/stores", headers={"Authorization": f"Bearer {value}"})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("scopes", [[], ["merchant.edit"], ["nothing.known"], "stores.view", [1]])
async def test_unusable_scopes_are_refused(
    client: httpx2.AsyncClient, database: Database, scopes: Any
) -> None:
    """A key without scopes, or with scopes that keys cannot have, is not made."""
    merchant = await make_merchant(database)
    client.cookies.update(merchant.cookies)

    response = await client.post("/api-keys", json={"name": "Till", "scopes": scopes})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert (await client.get("/api-keys")).json()["api_keys"] == []


async def test_foreign_key_cannot_be_revoked(client: httpx2.AsyncClient, database: Database) -> None:
    """Another merchant's key is not found, and keeps working."""
    mine, other = await make_merchant(database), await make_merchant(database)
    client.cookies.update(other.cookies)
    made = (await client.post("/api-keys", json={"name": "Till", "scopes": ["stores.view"]})).json()
    client.cookies.clear()
    client.cookies.update(mine.cookies)

    response = await client.delete(f"/api-keys/{made['id']}")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    client.cookies.clear()
    header = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.get("/stores", headers=header)).status_code == 200
