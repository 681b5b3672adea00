"""The sentence of a merchant."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base, merchant_fk


class FridayNote(Base):
    """What stands on every card of the merchant."""

    __tablename__ = "friday_note"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    text: Mapped[str] = mapped_column(info=NONE)
