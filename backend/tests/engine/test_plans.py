"""What an award reads is found by an index, also where the plan was made before there was much."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from app.db import direct
from app.db.direct import DirectConnections
from app.db.session import set_tenant
from app.modules.visits import statements


async def plan(connection: Any, statement: str, *values: Any) -> str:
    """Return the plan that the connection keeps for a statement, made while no key is kept and the server knows it."""
    await connection.execute(f"PREPARE planned AS {statement}")
    try:
        given = ", ".join("NULL" if value is None else f"'{value}'" for value in values)
        rows = await connection.fetch(f"EXPLAIN EXECUTE planned({given})")
    finally:
        await connection.execute("DEALLOCATE planned")
    return "\n".join(row[0] for row in rows)


async def plan_of_a_stamp(shop: Any, owners_connection: Any, connection: Any) -> str:
    """Plan the reading statement of a stamp on a table of keys that has just been swept."""
    await owners_connection.execute("DELETE FROM idempotency_key")
    await owners_connection.execute("VACUUM (ANALYZE) idempotency_key")
    card, at = await shop.card(), datetime.now().astimezone()
    values = (shop.merchant.id, card.id, shop.store.id, "stamp|card", "key", "", "", at)
    return await plan(connection, statements.READ_AT_ONCE, *values)


async def test_a_stamp_finds_its_key_by_the_index(
    open_shop: Any, database: Any, owners_connection: asyncpg.Connection
) -> None:
    """However empty the table of keys was when the connection first gave one: it may be large by now."""
    shop = await open_shop()
    async with database.direct.acquire() as connection:
        found = await plan_of_a_stamp(shop, owners_connection, connection)

    assert "Seq Scan on idempotency_key" not in found
    assert "on idempotency_key used" in found


async def test_a_stamp_with_a_session_finds_its_key_by_the_index(
    open_shop: Any, database: Any, owners_connection: asyncpg.Connection
) -> None:
    """The plain session of the till has the same habit."""
    shop = await open_shop()
    async with database.plain_sessions() as session:
        await set_tenant(session, shop.merchant.id)
        found = await plan_of_a_stamp(shop, owners_connection, session.driver)

    assert "Seq Scan on idempotency_key" not in found
    assert "on idempotency_key used" in found


async def test_control_without_the_habit_the_whole_table_is_read(
    open_shop: Any, settings: Any, owners_connection: asyncpg.Connection, monkeypatch: Any
) -> None:
    """The server takes an empty table for one that stays so."""
    shop = await open_shop()
    monkeypatch.setattr(direct, "BY_INDEX", "SET enable_seqscan = on")
    connections = DirectConnections(settings)
    async with connections.acquire() as connection:
        found = await plan_of_a_stamp(shop, owners_connection, connection)
    await connections.aclose()

    assert "Seq Scan on idempotency_key" in found
