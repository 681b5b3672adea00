"""Addresses that are told, what is told, and how each telling went."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk, tenant_fk


class WebhookEndpoint(TenantRow, Base):
    """An address of another program. sealed: its secret; sealed_before: the one that still signs until the moment.

    failures: in a row, over all deliveries; failing_since: when they began. retry_at: while it seems dead, when one
    delivery tries again for all. sending_until: a worker is sending; it has until then. off_reason: why it is off.
    removed_at: taken away; the row goes later, as visits under way may still refer to it.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("off_reason IN ('', 'member', 'gone', 'failing')", name="off_reason"),
    )
    url: Mapped[str] = mapped_column(info=NONE)
    about: Mapped[str] = mapped_column(server_default="", info=NONE)
    events: Mapped[list[str]] = mapped_column(ARRAY(Text), info=NONE)
    sealed: Mapped[bytes] = mapped_column(info=SECRET)
    sealed_before: Mapped[bytes | None] = mapped_column(info=SECRET)
    before_until: Mapped[datetime | None] = mapped_column(info=NONE)
    is_on: Mapped[bool] = mapped_column(info=NONE)
    off_reason: Mapped[str] = mapped_column(server_default="", info=NONE)
    failures: Mapped[int] = mapped_column(server_default="0", info=NONE)
    failing_since: Mapped[datetime | None] = mapped_column(info=NONE)
    retry_at: Mapped[datetime | None] = mapped_column(info=NONE)
    sending_until: Mapped[datetime | None] = mapped_column(info=NONE)
    reached_at: Mapped[datetime | None] = mapped_column(info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    removed_at: Mapped[datetime | None] = mapped_column(info=NONE)


class WebhookEvent(TenantRow, Base):
    """Something that happened. key: of a type it is there once. data: ids and figures, as they are sent."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        merchant_fk(),
        UniqueConstraint("merchant_id", "type", "key"),
        Index(None, "merchant_id", "at"),
        Index(None, "merchant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    )
    type: Mapped[str] = mapped_column(info=NONE)
    key: Mapped[str] = mapped_column(info=PSEUDONYM)
    data: Mapped[dict[str, Any]] = mapped_column(info=PSEUDONYM)
    customer_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(info=NONE)


class WebhookDelivery(TenantRow, Base):
    """An event for an address: there once. wanted_at: when it was first wanted, or wanted again by a person.

    next_at: when it is tried. error: the word for what was wrong with the last try (rules.ERRORS).
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        tenant_fk("event_id", "webhook_event"),
        tenant_fk("endpoint_id", "webhook_endpoint"),
        UniqueConstraint("merchant_id", "event_id", "endpoint_id"),
        CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="status"),
        Index(None, "merchant_id", "endpoint_id", "id"),
        Index(
            "ix_webhook_delivery_waiting",
            "merchant_id",
            "endpoint_id",
            "next_at",
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "ix_webhook_delivery_failed",
            "merchant_id",
            "endpoint_id",
            "id",
            postgresql_where=text("status = 'failed'"),
        ),
    )
    event_id: Mapped[UUID] = mapped_column(info=NONE)
    endpoint_id: Mapped[UUID] = mapped_column(info=NONE)
    status: Mapped[str] = mapped_column(info=NONE)
    attempts: Mapped[int] = mapped_column(info=NONE)
    wanted_at: Mapped[datetime] = mapped_column(info=NONE)
    next_at: Mapped[datetime] = mapped_column(info=NONE)
    last_status: Mapped[int | None] = mapped_column(info=NONE)
    error: Mapped[str] = mapped_column(server_default="", info=NONE)
    finished_at: Mapped[datetime | None] = mapped_column(info=NONE)


class WebhookAttempt(TenantRow, Base):
    """One try. answer: how the other program's answer began, in its own words: nobody knows what is in it."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        tenant_fk("delivery_id", "webhook_delivery"),
        Index(None, "merchant_id", "delivery_id", "id"),
    )
    delivery_id: Mapped[UUID] = mapped_column(info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)
    status: Mapped[int | None] = mapped_column(info=NONE)
    error: Mapped[str] = mapped_column(info=NONE)
    milliseconds: Mapped[int] = mapped_column(info=NONE)
    answer: Mapped[str] = mapped_column(info=PERSONAL)
