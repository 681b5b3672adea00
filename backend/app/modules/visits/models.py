"""Visits: one accepted scan or purchase each. Partitioned by month of the UUIDv7 id."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class Visit(TenantRow, Base):
    """What happened at the till. Only the void columns change after the insert (column rights)."""

    __tablename__ = "visit"
    __table_args__ = (
        tenant_fk("store_id", "store"),
        tenant_fk("pass_id", "pass_object"),
        CheckConstraint("source IN ('customer_phone', 'staff_device', 'pos', 'receipt')", name="source"),
        Index(None, "merchant_id", "pass_id", "id"),
        Index(None, "merchant_id", "store_id", "id"),
        Index(None, "merchant_id", "at"),
        {"postgresql_partition_by": "RANGE (id)"},
    )
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    given_by: Mapped[str] = mapped_column(info=NONE)
    device_id: Mapped[UUID | None] = mapped_column(info=NONE)
    source: Mapped[str] = mapped_column(info=NONE)
    amount_minor: Mapped[int | None] = mapped_column(info=NONE)
    currency: Mapped[str] = mapped_column(info=NONE)
    stamps: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points: Mapped[int] = mapped_column(server_default="0", info=NONE)
    idempotency_key: Mapped[str | None] = mapped_column(info=NONE)
    explanation: Mapped[list[Any]] = mapped_column(server_default="[]", info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)
    voided_at: Mapped[datetime | None] = mapped_column(info=NONE)
    voided_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    void_reason: Mapped[str | None] = mapped_column(info=NONE)
