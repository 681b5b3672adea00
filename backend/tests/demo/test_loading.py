"""The demo shops in a database: written quickly, consistent to the last point, found again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.db.session import tenant_scope
from app.demo.loading import load_into
from app.demo.shops import BUSINESSES
from app.kernel.ledger import INVARIANT
from app.process import Process
from app.utils.security import Keyring, pin_verifier

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(process: Process) -> dict[str, Any]:
    """Load the demo once; later tests read it."""
    steps: list[tuple[int, int]] = []
    made = await load_into(
        process, seed=1, progress=lambda done, total, _text: steps.append((done, total)), now=NOW
    )
    return made | {"steps": steps}


async def ids_of(process: Process, demo: dict[str, Any]) -> list[tuple[UUID, UUID]]:
    """Return (merchant id, store id) of every demo store."""
    found = []
    async with process.database.sessions() as session:
        for merchant in demo["merchants"]:
            for store in merchant["stores"]:
                row = await session.execute(
                    text("SELECT merchant_id, target_id FROM lookup WHERE kind = 'store' AND key = :key"),
                    {"key": store["id"]},
                )
                found.append(tuple(row.one()))
    return found


async def count(session: Any, query: str) -> int:
    """Return the one number of a query."""
    return int((await session.execute(text(query))).scalar_one())


async def test_it_tells_what_the_demo_prints(demo, process):
    """Two merchants, three stores, a sign-in and a key each, a PIN for everyone; progress reached its end."""
    assert [merchant["name"] for merchant in demo["merchants"]] == ["CoffeeLux", "Mode Avenue"]
    stores = [store for merchant in demo["merchants"] for store in merchant["stores"]]
    assert [(store["name"], store["loyalty_type"]) for store in stores] == [
        ("CoffeeLux Gare", "stamps"),
        ("CoffeeLux Kirchberg", "hybrid"),
        ("Mode Avenue", "points"),
    ]
    assert [len(store["staff"]) for store in stores] == [4, 3, 3]
    assert all(set(person) == {"name", "role", "pin"} for store in stores for person in store["staff"])
    base = process.settings.public_url
    assert all(store["join_url"] == f"{base}/join/{store['id']}" for store in stores)
    assert demo["steps"][-1] == (16, 16)


async def test_every_invariant_holds(demo, process):
    """Totals equal the entries and lots hold the balances, for both merchants."""
    assert {"stamps", "points", "points_lots"} <= {name for name, _check in INVARIANT.items()}
    for merchant_id in {merchant_id for merchant_id, _store in await ids_of(process, demo)}:
        async with tenant_scope(process.database, merchant_id) as session:
            for name, check in INVARIANT.items():
                assert list(await check(session)) == [], name


STAMPS = "(SELECT {0} AS cause, sum(stamps_added) AS moved FROM stamp_event WHERE {1} GROUP BY 1)"
POINTS = "(SELECT {0} AS cause, sum(points_added) AS moved FROM points_event WHERE {1} GROUP BY 1)"
RUNNING = "SELECT balance_after, sum({1}) OVER (PARTITION BY pass_id ORDER BY id) AS total FROM {0}"
CONSISTENT = {
    "visits sum up to entries": f"""
        SELECT count(*) FROM visit v
        LEFT JOIN {STAMPS.format("visit_id", "kind = 'earn'")} s ON s.cause = v.id
        LEFT JOIN {POINTS.format("visit_id", "kind = 'earn'")} p ON p.cause = v.id
        WHERE v.stamps <> coalesce(s.moved, 0) OR v.points <> coalesce(p.moved, 0)""",
    "voided visits are taken back": f"""
        SELECT count(*) FROM visit v LEFT JOIN {STAMPS.format("visit_id", "true")} s ON s.cause = v.id
        LEFT JOIN {POINTS.format("visit_id", "true")} p ON p.cause = v.id
        WHERE v.voided_at IS NOT NULL AND (coalesce(s.moved, 0) <> 0 OR coalesce(p.moved, 0) <> 0)""",
    "redemptions are paid": f"""
        SELECT count(*) FROM redemption r
        LEFT JOIN {STAMPS.format("redemption_id", "true")} s ON s.cause = r.id
        LEFT JOIN {POINTS.format("redemption_id", "true")} p ON p.cause = r.id
        WHERE r.cost <> -(coalesce(s.moved, 0) + coalesce(p.moved, 0))""",
    "last visits are the visits'": """
        SELECT count(*) FROM pass_object c WHERE c.last_visit_at IS DISTINCT FROM (SELECT max(at) FROM visit v
        WHERE v.merchant_id = c.merchant_id AND v.pass_id = c.id AND v.voided_at IS NULL)
        OR c.last_stamp_at IS DISTINCT FROM (SELECT max(at) FROM visit v
        WHERE v.merchant_id = c.merchant_id AND v.pass_id = c.id AND v.voided_at IS NULL AND v.stamps > 0)""",
    "the day's count is the visits'": """
        SELECT count(*) FROM pass_object c WHERE c.visits_today <> (SELECT count(*) FROM visit v
        WHERE v.merchant_id = c.merchant_id AND v.pass_id = c.id AND v.voided_at IS NULL
        AND (v.at AT TIME ZONE 'Europe/Luxembourg')::date = c.visits_day)""",
    "no balance was ever below zero": """
        SELECT (SELECT count(*) FROM stamp_event WHERE balance_after < 0 OR balance_after > 10)
        + (SELECT count(*) FROM points_event WHERE balance_after < 0)""",
    "unlocked where something can be had": """
        SELECT count(*) FROM pass_object c WHERE c.reward_unlocked <> (EXISTS (SELECT FROM reward r
        WHERE r.merchant_id = c.merchant_id AND r.program_id = c.program_id
        AND CASE r.kind WHEN 'stamps' THEN c.stamp_count ELSE c.points_balance END >= r.threshold)
        OR EXISTS (SELECT FROM jsonb_each_text(c.rewards_banked) b WHERE b.value::int > 0))""",
    "points run": f"""
        SELECT count(*) FROM ({RUNNING.format("points_event", "points_added")}) e
        WHERE balance_after <> total""",
    "stamps run": f"""
        SELECT count(*) FROM ({RUNNING.format("stamp_event", "stamps_added")}) e
        WHERE balance_after <> total""",
    "known stores": """
        SELECT count(*) FROM pass_object c WHERE (c.known_stores = '{}') = EXISTS (SELECT FROM visit v
        WHERE v.merchant_id = c.merchant_id AND v.pass_id = c.id)""",
}


@pytest.mark.parametrize("name", CONSISTENT)
async def test_rows_agree_with_each_other(demo, process, name):
    """What a row says of others is true."""
    for merchant_id in {merchant_id for merchant_id, _store in await ids_of(process, demo)}:
        async with tenant_scope(process.database, merchant_id) as session:
            assert await count(session, CONSISTENT[name]) == 0


async def test_there_is_some_of_everything(demo, process):
    """Visits by the thousand, redemptions by the dozen, a few voids, consents and devices."""
    (coffee, _gare), _kirchberg, (fashion, _mode) = await ids_of(process, demo)
    async with tenant_scope(process.database, coffee) as session:
        assert await count(session, "SELECT count(*) FROM visit") > 3000
        assert await count(session, "SELECT count(*) FROM redemption") > 200
        assert 10 < await count(session, "SELECT count(*) FROM visit WHERE voided_at IS NOT NULL") < 300
        assert await count(session, "SELECT count(*) FROM consent_record") > 80
        assert await count(session, "SELECT count(*) FROM staff_device") == 2
        assert await count(session, "SELECT count(*) FROM staff_member") == 6
        assert await count(session, "SELECT count(*) FROM pass_object WHERE reward_unlocked") > 5
    async with tenant_scope(process.database, fashion) as session:
        kinds = await session.execute(text("SELECT threshold FROM reward WHERE active ORDER BY threshold"))
        assert list(kinds.scalars()) == [100, 250, 500]
        assert await count(session, "SELECT count(*) FROM redemption") > 10


async def test_sign_in_key_and_pins_work(demo, process, client):
    """What demo.json says opens the dashboard's door, the API and the till."""
    merchant = demo["merchants"][0]
    body = {"email": merchant["email"], "password": merchant["password"]}
    assert (await client.post("/sessions", json=body)).status_code == 201
    answer = await client.get("/stores", headers={"Authorization": f"Bearer {merchant['api_key']}"})
    assert answer.status_code == 200
    store = merchant["stores"][0]
    (merchant_id, store_id), *_ = await ids_of(process, demo)
    async with tenant_scope(process.database, merchant_id) as session:
        salt = (
            await session.execute(text("SELECT pin_salt FROM store WHERE id = :id"), {"id": store_id})
        ).scalar_one()
        keyring = process.resources.get(Keyring)
        verifier = pin_verifier(
            keyring, store["staff"][1]["pin"], salt=salt, pepper_version=keyring.newest("pepper")
        )
        row = await session.execute(
            text(
                "SELECT name FROM staff_pin JOIN staff_member m ON m.id = staff_id"
                " WHERE store_id = :store AND pin_hash = :pin"
            ),
            {"store": store_id, "pin": verifier},
        )
        assert row.scalar_one() == store["staff"][1]["name"]


async def test_a_second_load_finds_the_first(demo, process):
    """Loading again changes nothing and tells the same."""
    again = await load_into(process, seed=1, progress=lambda *_: None, now=NOW)
    assert again["merchants"] == demo["merchants"]
    assert len(BUSINESSES) == len(again["merchants"])
