"""Customers and the record of their consents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk


class Customer(TenantRow, Base):
    """A person at one merchant. Erasure blanks the row in place and keeps its id."""

    __tablename__ = "customer"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("birthday_month BETWEEN 1 AND 12 AND birthday_day BETWEEN 1 AND 31", name="birthday"),
    )
    name: Mapped[str | None] = mapped_column(info=PERSONAL)
    email: Mapped[str | None] = mapped_column(info=PERSONAL)
    phone: Mapped[str | None] = mapped_column(info=PERSONAL)
    email_consent: Mapped[bool] = mapped_column(server_default="false", info=PERSONAL)
    email_consent_at: Mapped[datetime | None] = mapped_column(info=PERSONAL)
    email_verified_at: Mapped[datetime | None] = mapped_column(info=PERSONAL)
    unsubscribed_at: Mapped[datetime | None] = mapped_column(info=PERSONAL)
    locale: Mapped[str] = mapped_column(server_default="en", info=PERSONAL)
    birthday_day: Mapped[int | None] = mapped_column(info=PERSONAL)
    birthday_month: Mapped[int | None] = mapped_column(info=PERSONAL)
    birthday_year: Mapped[int | None] = mapped_column(info=PERSONAL)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)
    erased_at: Mapped[datetime | None] = mapped_column(info=NONE)


Index(
    "uq_customer_verified_email",
    Customer.merchant_id,
    func.lower(Customer.email),
    unique=True,
    postgresql_where=text("email_verified_at IS NOT NULL"),
)
Index("ix_customer_email", Customer.merchant_id, func.lower(Customer.email))
Index("ix_customer_created", Customer.merchant_id, Customer.created_at)


class ConsentRecord(TenantRow, Base):
    """One consent given or withdrawn: which wording, when, from where. Append-only; address as HMAC."""

    __tablename__ = "consent_record"
    __table_args__ = (merchant_fk(), Index(None, "merchant_id", "customer_id"))
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    address_mac: Mapped[bytes | None] = mapped_column(LargeBinary, info=SECRET)
    purpose: Mapped[str] = mapped_column(info=NONE)
    given: Mapped[bool] = mapped_column(info=NONE)
    text_version: Mapped[str] = mapped_column(info=NONE)
    text_shown: Mapped[str] = mapped_column(info=NONE)
    locale: Mapped[str] = mapped_column(info=NONE)
    channel: Mapped[str] = mapped_column(info=NONE)
    source: Mapped[str] = mapped_column(info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)
