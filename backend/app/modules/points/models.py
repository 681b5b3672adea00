"""The points ledger and its lots."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class PointsEvent(TenantRow, Base):
    """One movement of points. lots: [[lot id, points], …] that a spending entry took, to give them back on undo."""

    __tablename__ = "points_event"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("store_id", "store"),
        CheckConstraint(
            "kind IN ('earn', 'redeem', 'void', 'expire', 'adjust', 'transfer', 'gift')", name="kind"
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
    points_added: Mapped[int] = mapped_column(info=NONE)
    amount_minor: Mapped[int | None] = mapped_column(info=NONE)
    balance_after: Mapped[int] = mapped_column(info=NONE)
    rule: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    lots: Mapped[list[Any]] = mapped_column(server_default="[]", info=NONE)
    voids: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    timestamp: Mapped[datetime] = mapped_column(info=NONE)


class PointsLot(TenantRow, Base):
    """Points earned at once that expire together; the id is that of the earning entry.

    remaining falls by spending; the sum over a card's lots equals its balance (or nothing, while it is negative).
    """

    __tablename__ = "points_lot"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        CheckConstraint("remaining >= 0", name="remaining"),
        Index(None, "merchant_id", "pass_id", postgresql_where=text("remaining > 0")),
        Index(
            "ix_points_lot_due",
            "expires_at",
            postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL"),
        ),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    remaining: Mapped[int] = mapped_column(info=NONE)
    earned_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime | None] = mapped_column(info=NONE)
