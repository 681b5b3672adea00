"""What the live database says about its tables, for the tests beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.rights import APP_ROLE, SYSTEM_ROLE

# Tables without a tenant, each with its reason; docs/architecture.md shows the same list.
WITHOUT_TENANT = {
    "alembic_version": "the schema's revision",
    "lookup": "leads from what outsiders hold to the tenant; ids and keyed hashes only",
    "key_check": "recognises the keys this database was made with",
    "sign_in_limit": "counts attempts on unknown e-mails like on known ones; keys are HMACs",
    "passkey_challenge": "questions to authenticators before anybody knows who answers; hashes only",
    "backup_run": "when backups were taken, how large, and whether they can be read; nothing of what is in them",
    "update_counter": "one counter for Apple's update tags, across merchants",
    "google_pace": "an issuer's pace; merchants may share the operator's issuer",
    "mail_pace": "pace and outages of the mail server, which all merchants share; domains as HMAC",
    "apple_health": "what keeps pushes to Apple back; merchants may share the operator's certificate",
    "sign_up_invitation": "an operator's invitation to sign up, before there is a business",
    "operator": "who runs the installation, which belongs to no tenant",
    "operator_session": "an operator's sessions",
    "operator_entry": "what operators did; only ever added to",
    "rate_limit": "counts by HMAC; unlogged",
    "pgqueuer": "the queue; ids of rows, never what is in them",
    "pgqueuer_log": "the queue's log",
    "pgqueuer_schedules": "the queue library's own",
    "pgqueuer_statistics": "the queue library's own",
    "job_schedule": "when periodic work runs next",
}

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       pg_get_userbyid(c.relowner) AS owner, c.relispartition AS is_partition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
_POLICIES = """
SELECT tablename AS table, policyname AS name, roles::text[] AS roles, cmd, qual, with_check
FROM pg_policies WHERE schemaname = 'public'
"""
_UNIQUE = """
SELECT t.relname AS table, i.relname AS name, x.indisprimary AS is_primary,
       ARRAY(SELECT coalesce(a.attname, '(expression)')
             FROM unnest(x.indkey::int[]) WITH ORDINALITY k(num, place)
             LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num AND k.num <> 0
             ORDER BY k.place)::text[] AS columns
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = 'public' AND x.indisunique AND NOT t.relispartition
"""
_FOREIGN = """
SELECT c.conname AS name, t.relname AS table, r.relname AS target, c.confdeltype::text AS on_delete,
       ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num
             ORDER BY k.place)::text[] AS columns
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = 'public' AND c.contype = 'f' AND NOT t.relispartition AND NOT r.relispartition
"""
_SETTING = "(NULLIF(current_setting('stempel.merchant_id'::text, true), ''::text))::uuid"
_TENANT_COLUMN = {"merchant": "id"}


@dataclass(frozen=True)
class Schema:
    """The structure of the database as PostgreSQL reports it."""

    tables: list[Any]
    policies: list[Any]
    unique_keys: list[Any]
    foreign_keys: list[Any]

    @property
    def tenant_tables(self) -> list[str]:
        """Return every table that must be protected: all but the documented ones, without partitions."""
        return [t.name for t in self.tables if not t.is_partition and t.name not in WITHOUT_TENANT]


async def read_schema(connection: AsyncConnection) -> Schema:
    """Ask the database for its tables, policies, unique keys and foreign keys."""
    answers = [
        (await connection.execute(text(query))).all() for query in (_TABLES, _POLICIES, _UNIQUE, _FOREIGN)
    ]
    return Schema(*[list(answer) for answer in answers])


def protection_problems(schema: Schema) -> list[str]:
    """Return every tenant table without forced row-level security or without its tenant policy."""
    found = []
    by_name = {table.name: table for table in schema.tables}
    for name in schema.tenant_tables:
        table = by_name[name]
        if not (table.enabled and table.forced):
            found.append(f"{name}: row-level security is not forced")
        column = _TENANT_COLUMN.get(name, "merchant_id")
        for policy in (p for p in schema.policies if p.table == name and APP_ROLE in p.roles):
            wanted = f"({column} = ( SELECT {_SETTING}"
            if policy.cmd != "ALL" or not policy.qual.startswith(wanted) or policy.with_check != policy.qual:
                found.append(f"{name}: the policy {policy.name} is not the tenant's: {policy.qual}")
        policies = [p for p in schema.policies if p.table == name and APP_ROLE in p.roles]
        if len(policies) != 1:
            found.append(f"{name}: {len(policies)} policies of {APP_ROLE} instead of one")
        found += [
            f"{name}: open to PUBLIC" for p in schema.policies if p.table == name and "public" in p.roles
        ]
    return found


def key_problems(schema: Schema) -> list[str]:
    """Return every unique key without the tenant and every primary key that does not lead with it."""
    tenant = set(schema.tenant_tables)
    found = []
    for key in schema.unique_keys:
        if key.table not in tenant:
            continue
        column = _TENANT_COLUMN.get(key.table, "merchant_id")
        if key.columns[0] != column:
            found.append(f"{key.table}: {key.name} does not lead with {column}")
    keyed = {key.table for key in schema.unique_keys if key.is_primary}
    found += [f"{name}: no primary key" for name in sorted(tenant - keyed)]
    return found


def reference_problems(schema: Schema) -> list[str]:
    """Return every reference that could leave its tenant, and every SET NULL or CASCADE."""
    tenant = set(schema.tenant_tables)
    found = []
    for key in schema.foreign_keys:
        if key.table in tenant and key.columns[0] != "merchant_id":
            found.append(f"{key.table}: {key.name} does not lead with merchant_id")
        if (key.table in tenant) != (key.target in tenant):
            found.append(f"{key.table}: {key.name} leaves the tenant")
        if key.on_delete != "a":
            found.append(f"{key.table}: {key.name} changes rows by itself")
    return found


def ownership_problems(schema: Schema) -> list[str]:
    """Return every table that a login role owns."""
    return [f"{t.name}: owned by {t.owner}" for t in schema.tables if t.owner in {APP_ROLE, SYSTEM_ROLE}]
