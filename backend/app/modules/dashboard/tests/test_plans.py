"""The home page's statements read as many rows as it shows, however many a merchant has."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.db.session import Database, tenant_scope, to_async_url
from app.modules.cards.factories import make_card
from app.modules.dashboard.queries import (
    FEED_SHOWN,
    VisitFilter,
    list_redemptions,
    list_visits,
    redemptions_statement,
    visits_statement,
)
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.utils.id_generator import id_floor
from tests.fixtures import START

ROWS = 4_000
# The older half is of the second store, so that who may see that one alone would read the first one's before.
_MANY = """
INSERT INTO {table} (merchant_id, id, store_id, pass_id, given_by, {columns})
SELECT :m, (CAST(:base AS text) || lpad(to_hex(n), 12, '0'))::uuid,
    CASE WHEN n <= :rows / 2 THEN CAST(:second AS uuid) ELSE CAST(:first AS uuid) END, :card, 'pin', {values}
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
    card = await make_card(database, first, name="Ada")
    common = {
        "m": merchant.id, "base": str(id_floor(START))[:24], "rows": ROWS,
        "first": first.id, "second": second.id, "card": card.id, "at": START - timedelta(days=1),
    }  # fmt: skip
    async with tenant_scope(database, merchant.id) as session:
        reward = await session.scalar(
            text("SELECT id FROM reward WHERE program_id = :p"), {"p": first.program.id}
        )
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


async def rows_read(session: AsyncSession, statement: Any) -> dict[str, int]:
    """Run a statement and return how many rows each of the large tables gave, those thrown away included."""
    dialect = postgresql.dialect(paramstyle="named")
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    plan = (
        await session.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {str(compiled).replace(':', chr(92) + ':')}")
        )
    ).scalar_one()
    found = {"visit": 0, "redemption": 0}
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
    """Ten visits and ten rewards are shown, and ten of each are read; for a limited member those of the store."""
    async with tenant_scope(database, shop.merchant_id) as session:
        if limited:
            session.info["store_ids"] = frozenset({shop.second})
        visits = await rows_read(
            session, visits_statement(session, shop.merchant_id, VisitFilter(), limit=FEED_SHOWN)
        )
        given = await rows_read(session, redemptions_statement(session, shop.merchant_id, limit=FEED_SHOWN))
        shown = await list_visits(session, shop.merchant_id, VisitFilter(), limit=FEED_SHOWN)
        rewards = await list_redemptions(session, shop.merchant_id)

    assert visits == {"visit": FEED_SHOWN, "redemption": 0}
    assert given == {"visit": 0, "redemption": FEED_SHOWN}
    newest = ROWS // 2 if limited else ROWS
    expected = [UUID(f"{str(id_floor(START))[:24]}{newest - back:012x}") for back in range(FEED_SHOWN)]
    assert [row.id for row in shown] == expected
    assert [row.id for row in rewards] == expected
    assert {row.store_id for row in [*shown, *rewards]} == {shop.second if limited else shop.first}
