"""The outbox: every mail to be sent, sent or given up; and what keeps mail back."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow

STATUSES = ("waiting", "sending", "sent", "failed", "suppressed", "bounced", "complained")


class OutboxMessage(TenantRow, Base):
    """A message of a merchant (for a sign-up: of the merchant to be). content is sealed: it may hold links.

    once_key: the same key is never queued twice for a merchant. status: waiting; sending while a worker holds
    it (since claimed_at); sent; failed with the server's code; suppressed where nothing can or may be sent; bounced
    or complained where a report came back. purpose: service mail is asked for, marketing mail is agreed to.
    not_before: its turn, where the pace of its domain or the day's limit keeps it back.
    """

    __tablename__ = "outbox_message"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("purpose IN ('service', 'marketing')", name="purpose"),
        Index("uq_outbox_once", "merchant_id", "once_key", unique=True),
        Index(None, "merchant_id", "customer_id"),
        Index(None, "created_at"),
    )
    customer_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    kind: Mapped[str] = mapped_column(info=NONE)
    purpose: Mapped[str] = mapped_column(server_default="service", info=NONE)
    channel: Mapped[str] = mapped_column(server_default="mail", info=NONE)
    recipient: Mapped[str | None] = mapped_column(info=PERSONAL)
    locale: Mapped[str] = mapped_column(info=NONE)
    content: Mapped[bytes | None] = mapped_column(info=PERSONAL)
    once_key: Mapped[str | None] = mapped_column(info=PSEUDONYM)
    status: Mapped[str] = mapped_column(server_default="waiting", info=NONE)
    failure: Mapped[str | None] = mapped_column(info=NONE)
    attempts: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    not_before: Mapped[datetime | None] = mapped_column(info=NONE)
    claimed_at: Mapped[datetime | None] = mapped_column(info=NONE)
    sent_at: Mapped[datetime | None] = mapped_column(info=NONE)
    facts: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)


class MailSuppression(Base):
    """What came back from an address, kept under a keyed hash of it that names nobody and outlives an erasure.

    reason: bounced or complained: marketing mail is kept back; None while only soft bounces were counted.
    """

    __tablename__ = "mail_suppression"
    __tenant__ = "merchant_id"
    __table_args__ = (CheckConstraint("reason IN ('bounced', 'complained')", name="reason"),)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    address_mac: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, info=SECRET)
    reason: Mapped[str | None] = mapped_column(info=NONE)
    soft_bounces: Mapped[int] = mapped_column(server_default="0", info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)


class MailDay(Base):
    """How many marketing mails a merchant has sent on a day (UTC)."""

    __tablename__ = "mail_day"
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    day: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    sent: Mapped[int] = mapped_column(server_default="0", info=NONE)


class MailPace(Base):
    """How fast a mail server is asked, over all workers; no tenant, because all merchants share the server.

    key: the server, or the server with the hash of a recipient's domain. next_at: the domain's next turn. failures,
    down_since, probe_at: the server's outage, and when one message may try whether it is over.
    """

    __tablename__ = "mail_pace"
    key: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    next_at: Mapped[datetime | None] = mapped_column(info=NONE)
    failures: Mapped[int] = mapped_column(server_default="0", info=NONE)
    down_since: Mapped[datetime | None] = mapped_column(info=NONE)
    probe_at: Mapped[datetime | None] = mapped_column(info=NONE)
