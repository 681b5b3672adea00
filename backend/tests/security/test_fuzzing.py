"""The whole OpenAPI document, asked as each role: no 5xx, no undocumented status, nothing of another shop."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from app.db.session import Database
from tests.security.fuzzing import NEIGHBOUR, cases_of, make_fuzz_shop, operations_of, send_as_everybody

GOOD, BAD = 1, 1


async def test_schemathesis_finds_nothing_as_any_role(
    app: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    """One good and one broken request for every operation and every role."""
    shop = await make_fuzz_shop(database, app)
    wrong, count = [], 0
    for operation in operations_of(app):
        await shop.sign_in(database)
        cases = cases_of(operation, good=GOOD, bad=BAD)
        count += len(cases)
        wrong += await send_as_everybody(client, app, shop, operation, cases)

    assert count > 100
    assert sorted(set(wrong)) == []


async def test_control_an_undocumented_answer_is_found(
    app: FastAPI, client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its errors taken out of the document, an operation's refusals are found."""
    shop = await make_fuzz_shop(database, app)
    operation = next(
        found for found in operations_of(app) if found.path == "/stores" and found.method == "get"
    )
    cases = cases_of(operation, good=1, bad=0)
    assert await send_as_everybody(client, app, shop, operation, cases) == []

    for status in ("401", "403"):
        monkeypatch.delitem(operation.definition.raw["responses"], status)
    found = await send_as_everybody(client, app, shop, operation, cases)

    assert any("as anonymous: 401 is not documented" in line for line in found)


async def test_control_another_shops_words_are_found(
    app: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    """Asked as the neighbour itself, the neighbour's words are seen."""
    shop = await make_fuzz_shop(database, app)
    async with database.sessions() as session:
        from sqlalchemy import text

        await session.execute(
            text("SELECT set_config('stempel.merchant_id', :id, true)"), {"id": str(shop.merchant.id)}
        )
        await session.execute(text("UPDATE store SET name = :name"), {"name": NEIGHBOUR[0]})
        await session.commit()
    operation = next(
        found for found in operations_of(app) if found.path == "/stores" and found.method == "get"
    )
    found = await send_as_everybody(client, app, shop, operation, cases_of(operation, good=1, bad=0))

    assert any("shows another shop's data" in line for line in found)


async def test_found_by_the_long_run_an_address_may_be_null(
    app: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    """A null address was a 500: the limit of its length was asked of nothing. Now it takes the address away."""
    shop = await make_fuzz_shop(database, app)
    path, headers = f"/stores/{shop.ids['store_id']}", shop.headers["owner"]
    taken = await client.patch(path, json={"address": "1, place de la Gare"}, headers=headers)
    gone = await client.patch(path, json={"address": None}, headers=headers)
    long = await client.patch(path, json={"address": "x" * 10_000}, headers=headers)

    assert (taken.status_code, taken.json()["address"]) == (200, "1, place de la Gare")
    assert (gone.status_code, gone.json()["address"]) == (200, None)
    assert long.status_code == 422
