"""Customers, how they are found, what the shop notes about them, and the record of their consents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk, tenant_fk

# Comparisons of plain columns are leakproof and therefore index conditions below row-level security; expressions
# such as lower(email) and ILIKE are not. "C" makes a range of texts a prefix.
PLAIN = Text(collation="C")


class Customer(TenantRow, Base):
    """A person at one merchant. Erasure blanks the row in place and keeps its id.

    email_consent_source: where the standing consent was given; consent_confirmed_at: when its mailbox confirmed it.
    email_key: the address in lower case, by which it is looked up. sort_name: the name as lists order it.
    """

    __tablename__ = "customer"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("birthday_month BETWEEN 1 AND 12 AND birthday_day BETWEEN 1 AND 31", name="birthday"),
    )
    name: Mapped[str | None] = mapped_column(info=PERSONAL)
    email: Mapped[str | None] = mapped_column(info=PERSONAL)
    phone: Mapped[str | None] = mapped_column(info=PERSONAL)
    email_key: Mapped[str | None] = mapped_column(
        PLAIN, Computed("lower(email)", persisted=True), info=PERSONAL
    )
    sort_name: Mapped[str] = mapped_column(PLAIN, server_default="~", info=PERSONAL)
    email_consent: Mapped[bool] = mapped_column(server_default="false", info=PERSONAL)
    email_consent_at: Mapped[datetime | None] = mapped_column(info=PERSONAL)
    email_consent_source: Mapped[str | None] = mapped_column(info=PERSONAL)
    consent_confirmed_at: Mapped[datetime | None] = mapped_column(info=PERSONAL)
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
    Customer.email_key,
    unique=True,
    postgresql_where=text("email_verified_at IS NOT NULL"),
)
Index("ix_customer_email", Customer.merchant_id, Customer.email_key)
Index("ix_customer_sort_name", Customer.merchant_id, Customer.sort_name, Customer.id)
Index("ix_customer_created", Customer.merchant_id, Customer.created_at)


class ConsentRecord(TenantRow, Base):
    """One consent given, confirmed or withdrawn: which wording, when, from where. Append-only; address as HMAC.

    confirms: the record of the consent that the mailbox confirmed by this one. evidence: how that is known.
    """

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
    confirms: Mapped[UUID | None] = mapped_column(info=NONE)
    evidence: Mapped[str] = mapped_column(server_default="", info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)


class CustomerOptOut(Base):
    """A purpose that a customer does not want on a channel, although the consent covers it."""

    __tablename__ = "customer_opt_out"
    __tenant__ = "merchant_id"
    __table_args__ = (tenant_fk("customer_id", "customer"),)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    purpose: Mapped[str] = mapped_column(primary_key=True, info=PERSONAL)
    channel: Mapped[str] = mapped_column(primary_key=True, info=PERSONAL)
    at: Mapped[datetime] = mapped_column(info=NONE)


class CustomerSearch(Base):
    """What finds a customer, by its beginning. kind: name, email, phone, or phone_end (the digits from the end)."""

    __tablename__ = "customer_search"
    __tenant__ = "merchant_id"
    __table_args__ = (tenant_fk("customer_id", "customer"), Index(None, "merchant_id", "customer_id"))
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    kind: Mapped[str] = mapped_column(PLAIN, primary_key=True, info=NONE)
    term: Mapped[str] = mapped_column(PLAIN, primary_key=True, info=PERSONAL)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)


class Tag(TenantRow, Base):
    """A word the shop sorts customers by. name_key: the same in any spelling of capitals."""

    __tablename__ = "tag"
    __table_args__ = (merchant_fk(), Index("uq_tag_name", "merchant_id", "name_key", unique=True))
    name: Mapped[str] = mapped_column(info=NONE)
    name_key: Mapped[str] = mapped_column(PLAIN, info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)


class CustomerTag(Base):
    """A customer carries a tag."""

    __tablename__ = "customer_tag"
    __tenant__ = "merchant_id"
    __table_args__ = (
        tenant_fk("tag_id", "tag"),
        tenant_fk("customer_id", "customer"),
        Index(None, "merchant_id", "customer_id"),
    )
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(info=NONE)


class CustomerNote(TenantRow, Base):
    """What somebody of the shop wrote about a customer. author_id: the member."""

    __tablename__ = "customer_note"
    __table_args__ = (tenant_fk("customer_id", "customer"), Index(None, "merchant_id", "customer_id", "id"))
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    text: Mapped[str] = mapped_column(info=PERSONAL)
    author_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(info=NONE)
