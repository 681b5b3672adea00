"""Findings, whose card is whose, and how far each merchant's visits were looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, merchant_fk, tenant_fk


class FraudFinding(TenantRow, Base):
    """Something odd, seen by a rule. key: the same thing has one row. events: [[visit id, moment], …], oldest first."""

    __tablename__ = "fraud_finding"
    __table_args__ = (
        merchant_fk(),
        tenant_fk("store_id", "store"),
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("staff_id", "staff_member"),
        CheckConstraint("status IN ('open', 'dismissed', 'confirmed')", name="status"),
        UniqueConstraint("merchant_id", "rule", "key"),
        Index(None, "merchant_id", "status", "last_at"),
        Index(None, "merchant_id", "pass_id"),
    )
    rule: Mapped[str] = mapped_column(info=NONE)
    key: Mapped[str] = mapped_column(info=PSEUDONYM)
    store_id: Mapped[UUID | None] = mapped_column(info=NONE)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    pass_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    events: Mapped[list[Any]] = mapped_column(info=PSEUDONYM)
    first_at: Mapped[datetime] = mapped_column(info=NONE)
    last_at: Mapped[datetime] = mapped_column(info=NONE)
    found_at: Mapped[datetime] = mapped_column(info=NONE)
    status: Mapped[str] = mapped_column(server_default="open", info=NONE)
    decided_at: Mapped[datetime | None] = mapped_column(info=NONE)
    decided_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)


class FraudOwnCard(Base):
    """A card that a staff member holds as a customer; their own visits on it are shown."""

    __tablename__ = "fraud_own_card"
    __table_args__ = (
        tenant_fk("staff_id", "staff_member"),
        tenant_fk("pass_id", "pass_object"),
        Index(None, "merchant_id", "pass_id"),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    staff_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    created_at: Mapped[datetime] = mapped_column(info=NONE)


class FraudScan(Base):
    """How far a merchant's visits were looked at, and when a mail about it was sent last."""

    __tablename__ = "fraud_scan"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    scanned_at: Mapped[datetime | None] = mapped_column(info=NONE)
    alerted_at: Mapped[datetime | None] = mapped_column(info=NONE)
