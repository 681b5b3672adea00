"""What is known of backups: a row for each that was begun, for the operator's page and its alarms."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base
from app.utils.id_generator import new_id


class BackupRun(Base):
    """One run of `backup`; written by the owner's login, read by all.

    finished_at: when the file was whole and had its name; verified_at: when it was last opened and compared with its
    manifest to the end. refused: why there is no file, as a stable code.
    """

    __tablename__ = "backup_run"
    __table_args__ = (Index(None, "started_at"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, info=NONE)
    started_at: Mapped[datetime] = mapped_column(info=NONE)
    finished_at: Mapped[datetime | None] = mapped_column(info=NONE)
    verified_at: Mapped[datetime | None] = mapped_column(info=NONE)
    file: Mapped[str] = mapped_column(info=NONE)
    size_bytes: Mapped[int] = mapped_column(server_default="0", info=NONE)
    row_count: Mapped[int] = mapped_column(server_default="0", info=NONE)
    refused: Mapped[str | None] = mapped_column(info=NONE)


async def last_backup(session: AsyncSession) -> BackupRun | None:
    """Return the newest backup that was finished, or None where there is none; needs no tenant."""
    done = select(BackupRun).where(BackupRun.finished_at.is_not(None))
    found: BackupRun | None = await session.scalar(done.order_by(BackupRun.started_at.desc()).limit(1))
    return found


async def last_backup_run(session: AsyncSession) -> BackupRun | None:
    """Return the newest run, finished or refused or under way."""
    found: BackupRun | None = await session.scalar(
        select(BackupRun).order_by(BackupRun.started_at.desc()).limit(1)
    )
    return found
