"""A business that its owner closes: when, and when everything goes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base, merchant_fk


class BusinessClosing(Base):
    """One row while a business is closed; opening it again deletes it.

    erased_at: its people are erased and nobody signs in. emptied_at: what was left is gone, too.
    """

    __tablename__ = "business_closing"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    closed_at: Mapped[datetime] = mapped_column(info=NONE)
    erase_at: Mapped[datetime] = mapped_column(info=NONE)
    erased_at: Mapped[datetime | None] = mapped_column(info=NONE)
    emptied_at: Mapped[datetime | None] = mapped_column(info=NONE)
