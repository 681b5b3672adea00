"""Staff, their PINs, the attempts on them, and paired devices."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk, tenant_fk


class StaffMember(TenantRow, Base):
    """A person who gives stamps. Who also signs in to the dashboard is a member of accounts, linked to this row."""

    __tablename__ = "staff_member"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("role IN ('cashier', 'manager', 'analyst')", name="role"),
    )
    name: Mapped[str] = mapped_column(info=PERSONAL)
    role: Mapped[str] = mapped_column(server_default="cashier", info=NONE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)
    left_at: Mapped[datetime | None] = mapped_column(info=NONE)


class StaffPin(Base):
    """A member's PIN in one store: pin_hash = Argon2id(HMAC(pepper, pin), salt of store), found by itself."""

    __tablename__ = "staff_pin"
    __table_args__ = (
        tenant_fk("store_id", "store"),
        tenant_fk("staff_id", "staff_member"),
        Index(None, "merchant_id", "staff_id"),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    store_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pin_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, info=SECRET)
    pepper_version: Mapped[int] = mapped_column(info=NONE)
    staff_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    created_at: Mapped[datetime] = mapped_column(info=NONE)


class PinAttempt(TenantRow, Base):
    """An attempt reserved before it is verified; refunded_at is set when the PIN was right.

    address_key is an HMAC of the address (/64 for IPv6); subject is what the limits count.
    """

    __tablename__ = "pin_attempt"
    __table_args__ = (
        merchant_fk(),
        Index(None, "merchant_id", "pass_id", "at"),
        Index(None, "merchant_id", "store_id", "at"),
        Index(None, "merchant_id", "address_key", "at"),
        Index(None, "merchant_id", "device_id", "at", postgresql_where=text("device_id IS NOT NULL")),
        Index(None, "at"),
    )
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    pass_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    device_id: Mapped[UUID | None] = mapped_column(info=NONE)
    address_key: Mapped[bytes | None] = mapped_column(LargeBinary, info=PSEUDONYM)
    new_card: Mapped[bool] = mapped_column(info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)
    refunded_at: Mapped[datetime | None] = mapped_column(info=NONE)


class StaffDevice(TenantRow, Base):
    """A phone or tablet of the shop. The cookie holds merchant, device and secret; the row only hashes."""

    __tablename__ = "staff_device"
    __table_args__ = (tenant_fk("store_id", "store"),)
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    name: Mapped[str] = mapped_column(info=NONE)
    pairing_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SECRET)
    pairing_lookup: Mapped[str | None] = mapped_column(info=SECRET)
    pairing_expires_at: Mapped[datetime | None] = mapped_column(info=NONE)
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SECRET)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    paired_at: Mapped[datetime | None] = mapped_column(info=NONE)
    last_seen_at: Mapped[datetime | None] = mapped_column(info=NONE)
    revoked_at: Mapped[datetime | None] = mapped_column(info=NONE)
    shift_staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    shift_opened_at: Mapped[datetime | None] = mapped_column(info=NONE)
    shift_active_at: Mapped[datetime | None] = mapped_column(info=NONE)
