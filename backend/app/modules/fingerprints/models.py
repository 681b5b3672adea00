"""One row for a stamp on a customer's phone: where it came from, as keyed hashes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, Base, tenant_fk


class VisitTrace(Base):
    """Hashes of the device behind a visit, under the installation's key and the merchant. Swept after a set time.

    device_hash: the oldest card that the browser's cookie holds; None without a cookie.
    """

    __tablename__ = "visit_trace"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        Index(None, "merchant_id", "device_hash", "at"),
        Index(None, "merchant_id", "pass_id"),
        Index(None, "merchant_id", "at"),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    visit_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(info=NONE)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
    agent_hash: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
    device_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=PERSONAL)
