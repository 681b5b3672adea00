"""Requests of customers about their data that a mailbox confirms."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, tenant_fk
from app.modules.privacy.rules import KINDS


class PrivacyRequest(TenantRow, Base):
    """A wish to erase, or to change or remove the address.

    token_hash: of the link in the mail; None where no mailbox was asked. new_email: only until the request is done.
    """

    __tablename__ = "privacy_request"
    __table_args__ = (
        tenant_fk("customer_id", "customer"),
        tenant_fk("pass_id", "pass_object"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        Index(None, "merchant_id", "created_at"),
        Index(None, "merchant_id", "customer_id"),
    )
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    kind: Mapped[str] = mapped_column(info=NONE)
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SECRET)
    new_email: Mapped[str | None] = mapped_column(info=PERSONAL)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    done_at: Mapped[datetime | None] = mapped_column(info=NONE)
