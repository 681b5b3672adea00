"""Reads of the audit trail, newest first, by the place of the last entry seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.errors import Forbidden
from app.kernel.permissions import Principal
from app.modules.audit_log.rules import PAGE_SIZE, Cursor, Filter

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page; next_before is the cursor of the page after it, None at the end."""

    entries: list[AuditEntry]
    next_before: Cursor | None


def check_whole(principal: Principal) -> None:
    """Raise Forbidden for who is limited to some stores: the trail is of the whole business, entries name no store."""
    if principal.store_ids:
        raise Forbidden


async def list_entries(
    session: AsyncSession,
    merchant_id: UUID,
    wanted: Filter,
    *,
    before: Cursor | None = None,
    limit: int = PAGE_SIZE,
) -> AuditPage:
    """Return the entries older than the cursor."""
    statement = select(AuditEntry).where(AuditEntry.merchant_id == merchant_id)
    if wanted.actor_id is not None:
        statement = statement.where(AuditEntry.actor_id == wanted.actor_id)
    if wanted.actor_kind is not None:
        statement = statement.where(AuditEntry.actor_kind == wanted.actor_kind)
    if wanted.since is not None:
        statement = statement.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEntry.at < wanted.until)
    if before is not None:
        statement = statement.where(tuple_(AuditEntry.at, AuditEntry.id) < tuple_(before.at, before.id))
    newest_first = statement.order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    entries = list((await session.execute(newest_first.limit(limit + 1))).scalars())
    shown = entries[:limit]
    more = len(entries) > limit
    return AuditPage(shown, Cursor(shown[-1].at, shown[-1].id) if more else None)


async def each_entry(database: Database, merchant_id: UUID, wanted: Filter) -> AsyncIterator[AuditEntry]:
    """Yield every entry, newest first. A slow reader holds no connection: each batch has a transaction of its own."""
    before: Cursor | None = None
    while True:
        async with tenant_scope(database, merchant_id) as session:
            page = await list_entries(session, merchant_id, wanted, before=before, limit=BATCH)
        for entry in page.entries:
            yield entry
        before = page.next_before
        if before is None:
            return
