"""Who may do what to which table: rights of the two login roles and the row-level security beneath them.

Used by migrations (a new tenant table calls `protect`) and by the architecture tests.
"""

from __future__ import annotations

from collections.abc import Mapping

APP_ROLE = "stempel_app"
SYSTEM_ROLE = "stempel_system"

ALL = "SELECT, INSERT, UPDATE, DELETE"
APPEND_ONLY = "SELECT, INSERT"

# Every table that the runtime role may not use with all four rights.
APP_GRANTS: Mapping[str, str] = {
    "stamp_event": APPEND_ONLY,
    "points_event": APPEND_ONLY,
    "credit_entry": APPEND_ONLY,
    "consent_record": APPEND_ONLY,
    "audit_entry": APPEND_ONLY,
    "operator_entry": APPEND_ONLY,
    "visit": "SELECT, INSERT, UPDATE (voided_at, voided_by, void_reason)",
    "lookup": "SELECT, INSERT, DELETE",
    "key_check": APPEND_ONLY,
    # Written by ./stempel backup with the owner's login.
    "backup_run": "SELECT",
}

# The few reads and sweeps across tenants, each with its reason in docs/architecture.md; nothing else is open.
SYSTEM_GRANTS: Mapping[str, tuple[str, ...]] = {
    "merchant": ("SELECT",),
    "pass_object": ("SELECT",),
    # UPDATE is what FOR UPDATE SKIP LOCKED asks for; nothing is ever written there.
    "card_refresh": ("SELECT", "UPDATE", "DELETE"),
    "points_lot": ("SELECT",),
    "program": ("SELECT",),
    "sign_up": ("SELECT", "DELETE"),
    "merchant_session": ("SELECT", "DELETE"),
    "member_link": ("SELECT", "DELETE"),
    "half_sign_in": ("SELECT", "DELETE"),
    "member_invitation": ("SELECT", "DELETE"),
    "card_link": ("SELECT", "DELETE"),
    "idempotency_key": ("SELECT", "DELETE"),
    "pin_attempt": ("SELECT", "DELETE"),
    "outbox_message": ("SELECT",),
    "apple_device_registration": ("SELECT",),
    # The worker leaves what changed and looks which merchants have something to count; UPDATE is for the lock only.
    "rollup_pending": ("SELECT", "INSERT", "UPDATE"),
    "export_file": ("SELECT",),
    # The poller looks which addresses have something due; ids and times.
    "webhook_endpoint": ("SELECT",),
    "webhook_delivery": ("SELECT",),
}

TENANT = "nullif(current_setting('stempel.merchant_id', true), '')::uuid"


def protect(table: str, *, tenant_column: str = "merchant_id") -> list[str]:
    """Return the statements that put row-level security and rights on a new tenant table."""
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {APP_ROLE} USING ({tenant_column} = (SELECT {TENANT}))"
        f" WITH CHECK ({tenant_column} = (SELECT {TENANT}))",
        # FORCE binds the owner as well; backup, restore and migrations of the owner see everything.
        f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"GRANT {APP_GRANTS.get(table, ALL)} ON {table} TO {APP_ROLE}",
    ]
    for command in SYSTEM_GRANTS.get(table, ()):
        policy = f"CREATE POLICY system_{command.lower()} ON {table} FOR {command}"
        condition = "WITH CHECK" if command == "INSERT" else "USING"
        statements.append(f"{policy} TO {SYSTEM_ROLE} {condition} (true)")
        statements.append(f"GRANT {command} ON {table} TO {SYSTEM_ROLE}")
    return statements


def open_table(table: str) -> list[str]:
    """Return the rights on a table without tenant (lookup, key check)."""
    grant = APP_GRANTS.get(table, ALL)
    return [f"GRANT {grant} ON {table} TO {APP_ROLE}", f"GRANT {grant} ON {table} TO {SYSTEM_ROLE}"]
