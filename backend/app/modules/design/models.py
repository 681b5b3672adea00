"""Pictures that merchants uploaded: logos, stamp pictures and photos, drawn anew by us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base, TenantRow, merchant_fk


class DesignPicture(TenantRow, Base):
    """A picture, kept under the hash of its bytes: an address never shows anything else."""

    __tablename__ = "design_picture"
    __table_args__ = (
        merchant_fk(),
        UniqueConstraint("merchant_id", "digest"),
        CheckConstraint("kind IN ('logo', 'stamp', 'photo')", name="kind_known"),
    )
    digest: Mapped[str] = mapped_column(info=NONE)
    kind: Mapped[str] = mapped_column(info=NONE)
    png: Mapped[bytes] = mapped_column(LargeBinary, info=NONE)
    width: Mapped[int] = mapped_column(info=NONE)
    height: Mapped[int] = mapped_column(info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
