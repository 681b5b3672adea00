"""The schema fits a database that is distributed by merchant: asked of the living one, and of docs/scaling.md."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.db.rights import protect
from app.db.session import to_async_url
from tests.architecture.live import WITHOUT_TENANT, Schema, read_schema
from tools.lint.sources import ROOT

PLACES = dict(
    re.findall(
        r"^\| `(\w+)` \| (local|distributed by `\w+`) \|", (ROOT / "docs/scaling.md").read_text(), re.M
    )
)
# Have a merchant, and are taken for all merchants at once: they stay where the worker asks.
TAKEN_TOGETHER = {"card_refresh", "rollup_pending", "rollup_state"}
TENANT_KEY = {"merchant": "id"}
TRIGGERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"


@pytest_asyncio.fixture(loop_scope="session")
async def owner(admin_url: str) -> AsyncIterator[AsyncConnection]:
    """Return the owner's connection in a transaction that is rolled back."""
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()
    await engine.dispose()


def distribution_problems(schema: Schema) -> list[str]:
    """Return every key and reference that a database distributed by merchant could not keep."""
    spread = {table for table in schema.tenant_tables if table not in TAKEN_TOGETHER}
    found = []
    for key in schema.unique_keys:
        column = TENANT_KEY.get(key.table, "merchant_id")
        own = re.fullmatch(r"distributed by `(\w+)`", PLACES.get(key.table, ""))
        if key.table in spread and column not in key.columns:
            found.append(f"{key.table}.{key.name} has no {column}")
        if own and own[1] not in key.columns:
            found.append(f"{key.table}.{key.name} has no {own[1]}")
    for key in schema.foreign_keys:
        if (key.table in spread) != (key.target in spread) and key.table not in TAKEN_TOGETHER:
            found.append(f"{key.table}.{key.name} leaves its node for {key.target}")
        if key.table in spread and "merchant_id" not in key.columns:
            found.append(f"{key.table}.{key.name} has no merchant_id")
        if key.on_delete != "a":
            found.append(f"{key.table}.{key.name} changes rows by itself")
    return found


async def test_every_key_and_reference_can_be_distributed(owner: AsyncConnection) -> None:
    """Each unique key holds the merchant, each reference stays with it, no trigger acts elsewhere."""
    schema = await read_schema(owner)

    assert len(schema.unique_keys) >= 60
    assert len(schema.foreign_keys) >= 40
    assert distribution_problems(schema) == []
    assert (await owner.execute(text(TRIGGERS))).all() == []


async def test_the_page_names_every_table_that_is_not_distributed(owner: AsyncConnection) -> None:
    """docs/scaling.md lists exactly the tables without a merchant and those taken together, each with its place."""
    schema = await read_schema(owner)

    assert set(PLACES) == set(WITHOUT_TENANT) | TAKEN_TOGETHER
    assert set(schema.tenant_tables) >= TAKEN_TOGETHER


@pytest.mark.parametrize(
    ("ddl", "problem"),
    [
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid, code text UNIQUE, PRIMARY KEY (merchant_id, id));"
            + ";".join(protect("planted")),
            "planted.planted_code_key has no merchant_id",
        ),
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid, name text REFERENCES key_check,"
            " PRIMARY KEY (merchant_id, id));" + ";".join(protect("planted")),
            "planted.planted_name_fkey leaves its node for key_check",
        ),
        ("CREATE UNIQUE INDEX planted ON lookup (merchant_id, kind)", "lookup.planted has no key"),
    ],
)
async def test_a_planted_key_is_found(owner: AsyncConnection, ddl: str, problem: str) -> None:
    """The controls: a key without the merchant, a reference to a local table, a key without its table's own."""
    for statement in ddl.split(";"):
        await owner.execute(text(statement))

    assert problem in distribution_problems(await read_schema(owner))
