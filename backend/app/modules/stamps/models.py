"""The stamp ledger: append-only signed entries, partitioned by month of the id."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class StampEvent(TenantRow, Base):
    """One movement of stamps. rule: snapshot of the rule that made it. voids: the entry that this one takes back."""

    __tablename__ = "stamp_event"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("store_id", "store"),
        CheckConstraint(
            "kind IN ('earn', 'redeem', 'void', 'bank', 'expire', 'adjust', 'transfer', 'gift')", name="kind"
        ),
        Index(None, "merchant_id", "pass_id", "id"),
        Index(None, "merchant_id", "store_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    visit_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    redemption_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    kind: Mapped[str] = mapped_column(info=NONE)
    stamps_added: Mapped[int] = mapped_column(info=NONE)
    balance_after: Mapped[int] = mapped_column(info=NONE)
    rule: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    voids: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    timestamp: Mapped[datetime] = mapped_column(info=NONE)
