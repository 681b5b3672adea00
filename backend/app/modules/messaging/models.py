"""The outbox: every mail to be sent, sent or given up."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, Base, TenantRow


class OutboxMessage(TenantRow, Base):
    """A message of a merchant (for a sign-up: of the merchant to be). content is sealed: it may hold links.

    once_key: the same key is never queued twice for a merchant. status: waiting; sending while a worker holds
    it (since claimed_at); sent; failed with the server's code; suppressed where nothing can or may be sent.
    """

    __tablename__ = "outbox_message"
    __table_args__ = (
        CheckConstraint("status IN ('waiting', 'sending', 'sent', 'failed', 'suppressed')", name="status"),
        Index("uq_outbox_once", "merchant_id", "once_key", unique=True),
        Index(None, "merchant_id", "customer_id"),
        Index(None, "created_at"),
    )
    customer_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    kind: Mapped[str] = mapped_column(info=NONE)
    channel: Mapped[str] = mapped_column(server_default="mail", info=NONE)
    recipient: Mapped[str | None] = mapped_column(info=PERSONAL)
    locale: Mapped[str] = mapped_column(info=NONE)
    content: Mapped[bytes | None] = mapped_column(info=PERSONAL)
    once_key: Mapped[str | None] = mapped_column(info=PSEUDONYM)
    status: Mapped[str] = mapped_column(server_default="waiting", info=NONE)
    failure: Mapped[str | None] = mapped_column(info=NONE)
    attempts: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    claimed_at: Mapped[datetime | None] = mapped_column(info=NONE)
    sent_at: Mapped[datetime | None] = mapped_column(info=NONE)
    facts: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
