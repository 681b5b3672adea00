"""Stores and programmes: where and by which rules cards are stamped."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Numeric, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, SECRET, Base, TenantRow, merchant_fk, tenant_fk


class Program(TenantRow, Base):
    """The rules of one or several stores. stamps_needed follows the highest active stamp reward."""

    __tablename__ = "program"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("loyalty_type IN ('stamps', 'points', 'hybrid')", name="loyalty_type"),
        CheckConstraint("stamps_needed BETWEEN 1 AND 100", name="stamps_needed"),
        CheckConstraint("rounding IN ('down', 'half_up', 'up')", name="rounding"),
        CheckConstraint("full_card IN ('stop', 'carry_on')", name="full_card"),
        CheckConstraint(
            "points_expiry IN ('never', 'after_last_visit', 'after_earned')", name="points_expiry"
        ),
    )
    name: Mapped[str] = mapped_column(info=NONE)
    loyalty_type: Mapped[str] = mapped_column(info=NONE)
    stamps_needed: Mapped[int] = mapped_column(server_default="10", info=NONE)
    points_per_unit: Mapped[Decimal] = mapped_column(Numeric(12, 4), server_default="1", info=NONE)
    rounding: Mapped[str] = mapped_column(server_default="down", info=NONE)
    cooldown_minutes: Mapped[int] = mapped_column(server_default="10", info=NONE)
    stamps_per_visit: Mapped[int] = mapped_column(server_default="10", info=NONE)
    visits_per_day: Mapped[int] = mapped_column(server_default="5", info=NONE)
    full_card: Mapped[str] = mapped_column(server_default="stop", info=NONE)
    points_expiry: Mapped[str] = mapped_column(server_default="never", info=NONE)
    points_expiry_months: Mapped[int] = mapped_column(server_default="12", info=NONE)
    points_expiry_since: Mapped[datetime | None] = mapped_column(info=NONE)
    stamps_expiry_months: Mapped[int | None] = mapped_column(info=NONE)
    stamps_expiry_since: Mapped[datetime | None] = mapped_column(info=NONE)
    design: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    design_version: Mapped[int] = mapped_column(server_default="1", info=NONE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class Store(TenantRow, Base):
    """A branch. loyalty_type reads from its programme; staff_pin_hash is the shared PIN's verifier."""

    __tablename__ = "store"
    __table_args__ = (
        merchant_fk(),
        tenant_fk("program_id", "program"),
        Index(None, "merchant_id", "program_id"),
    )
    name: Mapped[str] = mapped_column(info=NONE)
    qr_code_url: Mapped[str] = mapped_column(info=NONE)
    program_id: Mapped[UUID] = mapped_column(info=NONE)
    staff_pin_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SECRET)
    pin_salt: Mapped[bytes] = mapped_column(LargeBinary, info=SECRET)
    pin_pepper_version: Mapped[int] = mapped_column(server_default="1", info=NONE)
    staff_pin_since: Mapped[datetime | None] = mapped_column(info=NONE)
    phone_pins: Mapped[bool] = mapped_column(server_default="true", info=NONE)
    address: Mapped[str | None] = mapped_column(info=NONE)
    latitude: Mapped[float | None] = mapped_column(info=NONE)
    longitude: Mapped[float | None] = mapped_column(info=NONE)
    time_zone: Mapped[str] = mapped_column(info=NONE)
    opening_hours: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)
    closed_at: Mapped[datetime | None] = mapped_column(info=NONE)
