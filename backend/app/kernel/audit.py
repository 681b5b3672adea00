"""Who changed what in the dashboard: append-only, names of personal fields but never their values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, merchant_fk
from app.kernel.hooks import Keyed
from app.kernel.permissions import Principal
from app.utils.id_generator import new_id


class AuditEntry(TenantRow, Base):
    """One change: actor, action, target and the non-personal facts of it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        merchant_fk(),
        Index(None, "merchant_id", "target_id"),
        Index(None, "merchant_id", "at", "id"),
        Index(None, "merchant_id", "actor_id", "at", "id"),
    )
    actor_kind: Mapped[str] = mapped_column(info=NONE)
    actor_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    action: Mapped[str] = mapped_column(info=NONE)
    target_kind: Mapped[str] = mapped_column(info=NONE)
    target_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    facts: Mapped[dict[str, Any]] = mapped_column(info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)


# Offered by modules for the actions they record: {"store.created": msg("Store opened")}.
AUDIT_ACTION: Keyed[str] = Keyed("AUDIT_ACTION", about="The words for what an audit entry says was done.")
# Offered by features for their own name, which stands beside the entry that says they were switched.
AUDIT_VALUE: Keyed[str] = Keyed(
    "AUDIT_VALUE", about="The words for a name that stands beside an audit entry."
)


async def record_audit(  # noqa: PLR0913 - an audit line has this many parts
    session: AsyncSession,
    principal: Principal,
    *,
    action: str,
    target_kind: str,
    target_id: UUID | None,
    now: datetime,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Append one entry in the caller's transaction.

    action: verb in the past, such as "store.created". facts: ids, numbers and field names; never personal values.
    """
    session.add(
        AuditEntry(
            merchant_id=principal.merchant_id,
            id=new_id(),
            actor_kind=principal.kind,
            actor_id=principal.id,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            facts=dict(facts or {}),
            at=now,
        )
    )
