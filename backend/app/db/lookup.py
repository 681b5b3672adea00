"""The one table without row-level security: from what outsiders hold to the tenant. No personal data."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, SECRET, Base


class Lookup(Base):
    """Leads from a store id, a sign-in e-mail (as HMAC) or a wallet serial to the tenant and the row."""

    __tablename__ = "lookup"
    kind: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    key: Mapped[str] = mapped_column(primary_key=True, info=SECRET)
    merchant_id: Mapped[UUID] = mapped_column(info=NONE)
    target_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)


async def find_lookup(session: AsyncSession, kind: str, key: str) -> tuple[UUID, UUID] | None:
    """Return (merchant id, target id) for a key, or None; needs no tenant."""
    row = (
        await session.execute(
            select(Lookup.merchant_id, Lookup.target_id).where(Lookup.kind == kind, Lookup.key == key)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def add_lookup(
    session: AsyncSession, kind: str, key: str, *, merchant_id: UUID, target_id: UUID
) -> bool:
    """Claim a key; False where somebody holds it already."""
    statement = (
        insert(Lookup)
        .values(kind=kind, key=key, merchant_id=merchant_id, target_id=target_id)
        .on_conflict_do_nothing()
        .returning(Lookup.target_id)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def remove_lookup(session: AsyncSession, kind: str, key: str, *, merchant_id: UUID) -> None:
    """Release a key that this merchant holds."""
    await session.execute(
        delete(Lookup).where(Lookup.kind == kind, Lookup.key == key, Lookup.merchant_id == merchant_id)
    )
