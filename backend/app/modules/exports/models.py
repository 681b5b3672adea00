"""Files that were asked for, and their pieces until they are fetched."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, Base, TenantRow, merchant_fk


class ExportFile(TenantRow, Base):
    """A file that somebody asked for. fetched: given out whole; gone: not fetched in time, or erased.

    exporter: the table, or "everything": then it is an archive of all of them.
    """

    __tablename__ = "export_file"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("form IN ('csv', 'xlsx', 'zip')", name="form"),
        CheckConstraint(
            "status IN ('waiting', 'making', 'ready', 'fetched', 'failed', 'gone')", name="status"
        ),
        Index(None, "expires_at"),
    )
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    exporter: Mapped[str] = mapped_column(info=NONE)
    form: Mapped[str] = mapped_column(info=NONE)
    locale: Mapped[str] = mapped_column(info=NONE)
    status: Mapped[str] = mapped_column(server_default="waiting", info=NONE)
    rows_expected: Mapped[int] = mapped_column(info=NONE)
    rows_done: Mapped[int] = mapped_column(server_default="0", info=NONE)
    size_bytes: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    finished_at: Mapped[datetime | None] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)


class ExportChunk(Base):
    """A piece of a file, in the order of its number."""

    __tablename__ = "export_chunk"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    export_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    number: Mapped[int] = mapped_column(primary_key=True, info=NONE)
    content: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
