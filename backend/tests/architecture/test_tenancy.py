"""A merchant sees only itself, and the ledgers only grow: asked of the live database, not of our own code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.config import Settings
from app.db.rights import APP_GRANTS, APP_ROLE, SYSTEM_GRANTS, SYSTEM_ROLE, protect
from app.db.session import Database, system_scope, tenant_scope, to_async_url
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from tests.architecture.live import (
    WITHOUT_TENANT,
    key_problems,
    ownership_problems,
    protection_problems,
    read_schema,
    reference_problems,
)
from tools.lint.sources import ROOT

APPEND_ONLY = ("stamp_event", "points_event", "consent_record", "audit_entry")
TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
REFUSED = "permission denied"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def owner(admin_url: str) -> AsyncIterator[AsyncConnection]:
    """Return the owner's connection in a transaction that is rolled back."""
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()
    await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_merchants(database: Database) -> tuple[MadeMerchant, MadeMerchant]:
    """Return two merchants with a store, staff and a card with stamps and points each."""
    made = []
    for name in ("CoffeeLux", "Mode Avenue"):
        merchant = await make_merchant(database, name=name)
        store = await make_store(database, merchant, "hybrid")
        await make_staff(database, store)
        await make_card(database, store, stamps=2, points=30, email=f"{merchant.id.hex[-8:]}@example.com")
        made.append(merchant)
    return made[0], made[1]


async def rights_of(connection: AsyncConnection, role: str, table: str) -> set[str]:
    """Return the rights on the whole table."""
    found = set()
    for right in TABLE_RIGHTS:
        query = text("SELECT has_table_privilege(:role, :table, :right)")
        if await connection.scalar(query, {"role": role, "table": table, "right": right}):
            found.add(right)
    return found


async def updatable_columns(connection: AsyncConnection, role: str, table: str) -> set[str]:
    """Return the columns the role may update."""
    query = text(
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
        " AND NOT attisdropped AND has_column_privilege(:role, attrelid, attnum, 'UPDATE')"
    )
    return set((await connection.execute(query, {"role": role, "table": table})).scalars())


async def test_every_tenant_table_is_protected(owner: AsyncConnection) -> None:
    """Row-level security is on and forced, with exactly the tenant's policy for the runtime role."""
    schema = await read_schema(owner)

    assert len(schema.tenant_tables) >= 25
    assert protection_problems(schema) == []


async def test_every_key_leads_with_the_tenant(owner: AsyncConnection) -> None:
    """The database itself cannot join rows of two merchants, and can be distributed by merchant."""
    schema = await read_schema(owner)

    assert key_problems(schema) == []
    assert reference_problems(schema) == []


async def test_the_login_roles_own_nothing(owner: AsyncConnection) -> None:
    """Neither role is mighty, a member of a mighty one, or the owner of anything."""
    roles = await owner.execute(
        text(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,"
            " EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = pg_roles.oid) AS is_member,"
            " EXISTS (SELECT 1 FROM pg_shdepend d WHERE d.refobjid = pg_roles.oid"
            " AND d.deptype = 'o') AS owns"
            " FROM pg_roles WHERE rolname IN (:app, :system) ORDER BY rolname"
        ),
        {"app": APP_ROLE, "system": SYSTEM_ROLE},
    )

    assert [tuple(row) for row in roles] == [(APP_ROLE, *[False] * 7), (SYSTEM_ROLE, *[False] * 7)]
    assert ownership_problems(await read_schema(owner)) == []
    for role in (APP_ROLE, SYSTEM_ROLE):
        assert not await owner.scalar(
            text("SELECT has_schema_privilege(:r, 'public', 'CREATE')"), {"r": role}
        )


@pytest.mark.parametrize(
    ("ddl", "problems"),
    [
        ("CREATE TABLE planted (id uuid PRIMARY KEY)", {"row-level", "policies", "lead"}),
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid, PRIMARY KEY (merchant_id, id));"
            "ALTER TABLE planted ENABLE ROW LEVEL SECURITY;"
            "ALTER TABLE planted FORCE ROW LEVEL SECURITY;"
            f"CREATE POLICY tenant ON planted TO {APP_ROLE} USING (true) WITH CHECK (true)",
            {"not the tenant's"},
        ),
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid, code text UNIQUE,"
            " PRIMARY KEY (merchant_id, id));" + ";".join(protect("planted")),
            {"lead"},
        ),
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid REFERENCES merchant ON DELETE CASCADE,"
            " PRIMARY KEY (merchant_id, id));" + ";".join(protect("planted")),
            {"lead", "by itself"},
        ),
        (
            "CREATE TABLE planted (merchant_id uuid, id uuid, PRIMARY KEY (merchant_id, id));"
            + ";".join(protect("planted"))
            + f";ALTER TABLE planted OWNER TO {APP_ROLE}",
            {"owned by"},
        ),
    ],
)
async def test_a_planted_table_is_found(owner: AsyncConnection, ddl: str, problems: set[str]) -> None:
    """The controls: each way to get a table wrong is said, and nothing else."""
    for statement in ddl.split(";"):
        await owner.execute(text(statement))
    schema = await read_schema(owner)
    checks = (protection_problems, key_problems, reference_problems, ownership_problems)
    found = [problem for check in checks for problem in check(schema)]

    assert all(problem.startswith("planted: ") for problem in found)
    assert all(any(part in problem for problem in found) for part in problems)
    assert all(any(part in problem for part in problems) for problem in found), found


async def test_runtime_rights_are_exactly_as_listed(owner: AsyncConnection) -> None:
    """What rights.py says is what the database grants; partitions give the runtime role nothing."""
    schema = await read_schema(owner)
    for table in schema.tables:
        if table.name in WITHOUT_TENANT and table.name not in APP_GRANTS:
            continue
        rights = await rights_of(owner, APP_ROLE, table.name)
        if table.is_partition:
            assert rights == set(), table.name
            continue
        listed = APP_GRANTS.get(table.name, "SELECT, INSERT, UPDATE, DELETE")
        assert rights == set(re.sub(r"UPDATE \(.*\)", "", listed).replace(" ", "").strip(",").split(",")), (
            table.name
        )


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_append_only_tables_only_grow(
    table: str, owner: AsyncConnection, database: Database, two_merchants: tuple[MadeMerchant, MadeMerchant]
) -> None:
    """No UPDATE, DELETE or TRUNCATE for the runtime role, by its rights and by trying."""
    assert await rights_of(owner, APP_ROLE, table) == {"SELECT", "INSERT"}
    assert await updatable_columns(owner, APP_ROLE, table) == set()
    for statement in (
        f"UPDATE {table} SET merchant_id = merchant_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(DBAPIError, match=REFUSED):
            async with tenant_scope(database, two_merchants[0].id) as session:
                await session.execute(text(statement))


async def test_a_visit_can_be_voided_and_nothing_else(
    owner: AsyncConnection, database: Database, two_merchants: tuple[MadeMerchant, MadeMerchant]
) -> None:
    """The columns of a void are the only ones that can change; the row cannot go."""
    assert await updatable_columns(owner, APP_ROLE, "visit") == {"voided_at", "voided_by", "void_reason"}
    for statement in ("UPDATE visit SET amount_minor = 1", "DELETE FROM visit", "TRUNCATE visit"):
        with pytest.raises(DBAPIError, match=REFUSED):
            async with tenant_scope(database, two_merchants[0].id) as session:
                await session.execute(text(statement))
    async with tenant_scope(database, two_merchants[0].id) as session:
        # The control: what is granted works, so that the refusals above are about rights.
        await session.execute(text("UPDATE visit SET void_reason = void_reason WHERE false"))
        await session.execute(text("DELETE FROM card_link WHERE false"))


async def count_rows(session: Any, table: str, where: str = "true") -> int:
    """Count what this session sees."""
    return int(await session.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}")))


async def test_an_unset_tenant_sees_no_row(
    owner: AsyncConnection, database: Database, two_merchants: tuple[MadeMerchant, MadeMerchant]
) -> None:
    """Without a tenant every table is empty; with one, only its own rows are there."""
    schema = await read_schema(owner)
    for table in schema.tenant_tables:
        async with database.sessions() as session, session.begin():
            assert await count_rows(session, table) == 0, table
        async with tenant_scope(database, two_merchants[0].id) as session:
            column = "id" if table == "merchant" else "merchant_id"
            assert await count_rows(session, table, f"{column} <> '{two_merchants[0].id}'") == 0, table
    for table in (
        "merchant",
        "store",
        "pass_object",
        "customer",
        "stamp_event",
        "points_event",
        "points_lot",
    ):
        # The control: the rows are there.
        async with tenant_scope(database, two_merchants[1].id) as session:
            assert await count_rows(session, table) >= 1, table


async def test_a_row_cannot_be_written_for_another_tenant(
    database: Database, two_merchants: tuple[MadeMerchant, MadeMerchant]
) -> None:
    """WITH CHECK refuses an insert and an update that would hand a row over."""
    mine, other = two_merchants
    statements = (
        f"INSERT INTO merchant_setting (merchant_id, scope_id, section, values)"
        f" VALUES ('{other.id}', '{other.id}', 'planted', '{{}}')",
        f"UPDATE program SET merchant_id = '{other.id}'",
    )
    for statement in statements:
        with pytest.raises(DBAPIError, match="row-level security"):
            async with tenant_scope(database, mine.id) as session:
                await session.execute(text(statement))


async def test_system_reads_are_exactly_as_listed(owner: AsyncConnection) -> None:
    """The system role's policies and rights on tenant tables are those of rights.SYSTEM_GRANTS, no more."""
    schema = await read_schema(owner)
    by_policy: dict[str, set[str]] = {}
    for policy in schema.policies:
        if SYSTEM_ROLE in policy.roles:
            assert (policy.with_check if policy.cmd == "INSERT" else policy.qual) == "true"
            by_policy.setdefault(policy.table, set()).add(policy.cmd)
    by_right = {table: await rights_of(owner, SYSTEM_ROLE, table) for table in schema.tenant_tables}

    listed = {table: set(commands) for table, commands in SYSTEM_GRANTS.items()}
    assert by_policy == listed
    assert {table: rights for table, rights in by_right.items() if rights} == listed


async def test_the_system_role_reads_nothing_else(
    database: Database, two_merchants: tuple[MadeMerchant, MadeMerchant]
) -> None:
    """By trying: customers, PINs and ledgers are closed to it; the control is what it is there for."""
    for table in ("customer", "staff_pin", "stamp_event", "points_event", "visit", "api_key", "staff_member"):
        with pytest.raises(DBAPIError, match=REFUSED):
            async with system_scope(database) as session:
                await count_rows(session, table)
    async with system_scope(database) as session:
        ids = ", ".join(f"'{merchant.id}'" for merchant in two_merchants)
        assert await count_rows(session, "merchant", f"id IN ({ids})") == 2


@pytest.mark.parametrize("table", sorted(SYSTEM_GRANTS))
def test_each_system_read_has_its_reason(table: str) -> None:
    """docs/architecture.md says for each table what is read across merchants and why."""
    rows = re.findall(rf"^\| `{table}` \| ([A-Z, ]+) \| (.+) \|$", ARCHITECTURE, re.M)

    assert [row[0].split(", ") for row in rows] == [list(SYSTEM_GRANTS[table])]
    assert len(rows[0][1]) > 20


@pytest.mark.parametrize("table", sorted(WITHOUT_TENANT))
async def test_each_table_without_tenant_is_there_and_documented(table: str, owner: AsyncConnection) -> None:
    """The exceptions are real tables, hold no merchant's rows, and stand in docs/architecture.md."""
    schema = await read_schema(owner)

    assert table in {t.name for t in schema.tables}
    assert f"`{table}`" in ARCHITECTURE


def test_the_tests_settings_use_the_runtime_roles(settings: Settings) -> None:
    """The suite signs in as the real roles; otherwise nothing above would prove anything."""
    assert f"//{APP_ROLE}:" in settings.database_url
    assert f"//{SYSTEM_ROLE}:" in settings.database_system_url
