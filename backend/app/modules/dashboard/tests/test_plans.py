"""The home page's statements read as many rows as it shows, however many a merchant has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.db.session import Database, driver_of, tenant_scope, to_async_url
from app.modules.dashboard.queries import (
    FEED_SHOWN,
    VisitFilter,
    list_redemptions,
    list_visits,
)
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.utils.id_generator import id_floor
from tests.fixtures import START

ROWS = 4_000
LARGE = ("visit", "redemption", "pass_object", "customer")
# The older half is of the second store, so that who may see that one alone would read the first one's before.
_MANY = """
INSERT INTO {table} (merchant_id, id, store_id, pass_id, given_by, {columns})
SELECT :m, (CAST(:base AS text) || lpad(to_hex(n), 12, '0'))::uuid,
    CASE WHEN n <= :rows / 2 THEN CAST(:second AS uuid) ELSE CAST(:first AS uuid) END,
    md5('card' || n)::uuid, 'pin', {values}
FROM generate_series(1, :rows) AS n"""

# As many people as visits: whoever hashes them all reads more rows than are shown.
_CUSTOMERS = """
INSERT INTO customer (merchant_id, id, name, locale, sort_name)
SELECT :m, md5('customer' || n)::uuid, 'Bob', 'en', 'bob' FROM generate_series(1, :rows) AS n"""
_CARDS = """
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, status)
SELECT :m, md5('card' || n)::uuid, md5('customer' || n)::uuid, CAST(:first AS uuid), CAST(:program AS uuid), 'B' || n,
    'active'
FROM generate_series(1, :rows) AS n"""


class Shop:
    """A merchant with two stores, and visits and rewards that are many against what is shown."""

    def __init__(self, merchant_id: UUID, first: UUID, second: UUID) -> None:
        self.merchant_id = merchant_id
        self.first = first
        self.second = second


@pytest.fixture
async def shop(database: Database, admin_url: str) -> Shop:
    """Make it; the planner knows how many there are."""
    merchant = await make_merchant(database)
    first = await make_store(database, merchant)
    second = await make_store(database, merchant, name="Second", program_id=first.program.id)
    common = {
        "m": merchant.id, "base": str(id_floor(START))[:24], "rows": ROWS,
        "first": first.id, "second": second.id, "program": first.program.id, "at": START - timedelta(days=1),
    }  # fmt: skip
    async with tenant_scope(database, merchant.id) as session:
        reward = await session.scalar(
            text("SELECT id FROM reward WHERE program_id = :p"), {"p": first.program.id}
        )
        for people in (_CUSTOMERS, _CARDS):
            known = {name: value for name, value in common.items() if f":{name}" in people}
            await session.execute(text(people), known)
        visits = _MANY.format(
            table="visit", columns="source, currency, stamps, at", values="'staff_device', 'EUR', 1, :at"
        )
        await session.execute(text(visits), common)
        given = _MANY.format(
            table="redemption",
            columns="reward_id, kind, cost, redeemed_at",
            values="CAST(:reward AS uuid), 'stamps', 10, :at",
        )
        await session.execute(text(given), {**common, "reward": reward})
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE visit, redemption, reward, customer, pass_object"))
    await engine.dispose()
    return Shop(merchant.id, first.id, second.id)


@asynccontextmanager
async def noting(database: Database) -> AsyncIterator[list[tuple[str, tuple[Any, ...]]]]:
    """Yield a list to which every statement of the application is added, with its values."""
    noted: list[tuple[str, tuple[Any, ...]]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        noted.append((statement, tuple(values or ())))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield noted
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def rows_read(session: AsyncSession, statement: str, values: tuple[Any, ...]) -> dict[str, int]:
    """Run what the application ran, with the one plan for all values that it gets there.

    Returns how many rows each of the large tables gave, those thrown away included.
    """
    raw = await driver_of(session)
    kinds = [one.name for one in (await raw.prepare(statement)).get_parameters()]
    given = [
        await raw.fetchval(f"SELECT quote_nullable(CAST(CAST($1 AS {kind}) AS text))", value)
        for kind, value in zip(kinds, values, strict=True)
    ]
    await raw.execute(f"PREPARE asked AS {statement}")
    plan = await raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({', '.join(given)})")
    await raw.execute("DEALLOCATE asked")
    found = dict.fromkeys(LARGE, 0)
    nodes = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        table = node.get("Relation Name", "")
        for name in found:
            if table == name or table.startswith(f"{name}_2") or table == f"{name}_default":
                thrown = node.get("Rows Removed by Filter", 0)
                found[name] += (node["Actual Rows"] + thrown) * node["Actual Loops"]
    return found


@pytest.mark.parametrize("limited", [False, True])
async def test_the_feed_reads_as_many_rows_as_it_shows(database: Database, shop: Shop, limited: bool) -> None:
    """Ten visits and ten rewards are shown, and ten of each are read, with the people of ten cards."""
    async with tenant_scope(database, shop.merchant_id) as session, noting(database) as noted:
        if limited:
            session.info["store_ids"] = frozenset({shop.second})
        shown = await list_visits(session, shop.merchant_id, VisitFilter(), limit=FEED_SHOWN)
        rewards = await list_redemptions(session, shop.merchant_id)
        (visits, given) = [await rows_read(session, statement, values) for statement, values in noted[-2:]]

    people = {"pass_object": FEED_SHOWN, "customer": FEED_SHOWN}
    assert visits == {"visit": FEED_SHOWN, "redemption": 0, **people}
    assert given == {"visit": 0, "redemption": FEED_SHOWN, **people}
    newest = ROWS // 2 if limited else ROWS
    expected = [UUID(f"{str(id_floor(START))[:24]}{newest - back:012x}") for back in range(FEED_SHOWN)]
    assert [row.id for row in shown] == expected
    assert [row.id for row in rewards] == expected
    assert {row.store_id for row in [*shown, *rewards]} == {shop.second if limited else shop.first}
