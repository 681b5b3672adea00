"""Reads of the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import AuditEntry

AUDIT_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit trail, newest first; next_before is the cursor of the page after it."""

    entries: list[AuditEntry]
    next_before: UUID | None


async def list_audit(session: AsyncSession, merchant_id: UUID, *, before: UUID | None) -> AuditPage:
    """Return entries older than the cursor."""
    statement = select(AuditEntry).where(AuditEntry.merchant_id == merchant_id)
    if before is not None:
        statement = statement.where(AuditEntry.id < before)
    rows = await session.execute(statement.order_by(AuditEntry.id.desc()).limit(AUDIT_PAGE_SIZE + 1))
    entries = list(rows.scalars())
    more = len(entries) > AUDIT_PAGE_SIZE
    entries = entries[:AUDIT_PAGE_SIZE]
    return AuditPage(entries, entries[-1].id if more else None)
