"""Messages on passes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, Base, TenantRow, tenant_fk


class WalletMessage(TenantRow, Base):
    """Something said to a card's holder on the card itself.

    once_key: the caller's; the same one says the thing once for ever. google: waiting, trying (asked, and no
    answer came) or sent.
    """

    __tablename__ = "wallet_message"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        Index("uq_wallet_message_once", "merchant_id", "pass_id", "once_key", unique=True),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    once_key: Mapped[str] = mapped_column(info=NONE)
    header: Mapped[str] = mapped_column(info=PERSONAL)
    body: Mapped[str] = mapped_column(info=PERSONAL)
    google: Mapped[str] = mapped_column(server_default="waiting", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
