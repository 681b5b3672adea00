"""The shop's own wordings, when a customer last had a message, and the news a shop wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, merchant_fk, tenant_fk


class NudgeText(Base):
    """A shop's own words for a message, in one language."""

    __tablename__ = "nudge_text"
    __tenant__ = "merchant_id"
    __table_args__ = (merchant_fk(),)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    kind: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    locale: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    subject: Mapped[str] = mapped_column(info=NONE)
    text: Mapped[str] = mapped_column(info=NONE)


class NudgeSlot(Base):
    """When a customer was last written to."""

    __tablename__ = "nudge_slot"
    __tenant__ = "merchant_id"
    __table_args__ = (tenant_fk("customer_id", "customer"),)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    last_at: Mapped[datetime] = mapped_column(info=NONE)


class News(TenantRow, Base):
    """A promotion or a new collection, to customers who have something in common.

    meant: the filter. after: how far the sending job is. queued: mails written; rested: left out because they had a
    message within the week.
    """

    __tablename__ = "news"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("status IN ('draft', 'sending', 'sent')", name="status"),
        Index(None, "merchant_id", "created_at"),
    )
    kind: Mapped[str] = mapped_column(info=NONE)
    subject: Mapped[str] = mapped_column(info=NONE)
    text: Mapped[str] = mapped_column(info=NONE)
    meant: Mapped[dict[str, Any]] = mapped_column(info=NONE)
    status: Mapped[str] = mapped_column(server_default="draft", info=NONE)
    after: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    queued: Mapped[int] = mapped_column(server_default="0", info=NONE)
    rested: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    sent_at: Mapped[datetime | None] = mapped_column(info=NONE)
