"""Imports of customers: the file's rows while they are worked on, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk, tenant_fk


class ImportRun(TenantRow, Base):
    """One file. digest: an HMAC of its bytes. plan: columns and choices. counts: how many rows ended how.

    rows_done: up to which row the work at hand has come; it moves in the transaction of the rows themselves.
    """

    __tablename__ = "import_run"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint(
            "status IN ('draft', 'checking', 'checked', 'running', 'done', 'undoing', 'undone', 'failed')",
            name="status",
        ),
        Index(None, "merchant_id", "digest"),
    )
    member_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    file_name: Mapped[str] = mapped_column(info=NONE)
    digest: Mapped[bytes] = mapped_column(info=SECRET)
    status: Mapped[str] = mapped_column(info=NONE)
    header: Mapped[list[Any]] = mapped_column(info=NONE)
    plan: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    counts: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    locale: Mapped[str] = mapped_column(info=NONE)
    tag_id: Mapped[UUID | None] = mapped_column(info=NONE)
    rows: Mapped[int] = mapped_column(info=NONE)
    rows_done: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    started_at: Mapped[datetime | None] = mapped_column(info=NONE)
    finished_at: Mapped[datetime | None] = mapped_column(info=NONE)
    undone_at: Mapped[datetime | None] = mapped_column(info=NONE)


class ImportRow(Base):
    """A row of the file. cells go once it is done. problem: what is wrong with it, as a word and a column."""

    __tablename__ = "import_row"
    __tenant__ = "merchant_id"
    __table_args__ = (
        tenant_fk("run_id", "import_run"),
        Index(None, "merchant_id", "run_id", "outcome", "number"),
        Index(None, "merchant_id", "customer_id"),
    )
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    run_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    number: Mapped[int] = mapped_column(primary_key=True, info=NONE)
    cells: Mapped[list[Any] | None] = mapped_column(info=PERSONAL)
    outcome: Mapped[str | None] = mapped_column(info=NONE)
    problem: Mapped[str | None] = mapped_column(info=NONE)
    customer_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
