"""Reads of credit: what a card holds, and its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot


@dataclass(frozen=True, slots=True)
class Held:
    """What a card holds. next_at, next_minor: what runs out first, and when."""

    available_minor: int = 0
    debt_minor: int = 0
    next_at: datetime | None = None
    next_minor: int = 0
    has_history: bool = False


async def credit_of(session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime) -> Held:
    """Return what a card can spend now, and what of it runs out first."""
    account = await session.get(CreditAccount, (merchant_id, pass_id), populate_existing=True)
    if account is None:
        return Held()
    rows = await session.execute(
        select(CreditLot.expires_at, CreditLot.remaining_minor).where(
            CreditLot.merchant_id == merchant_id,
            CreditLot.pass_id == pass_id,
            CreditLot.remaining_minor > 0,
            or_(CreditLot.expires_at.is_(None), CreditLot.expires_at > now),
        )
    )
    lots = [(row.expires_at, int(row.remaining_minor)) for row in rows]
    ends = [expires_at for expires_at, _part in lots if expires_at is not None]
    first = min(ends, default=None)
    return Held(
        available_minor=sum(part for _expires_at, part in lots),
        debt_minor=max(0, -account.balance_minor),
        next_at=first,
        next_minor=sum(part for expires_at, part in lots if first is not None and expires_at == first),
        has_history=True,
    )


async def list_entries(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, most: int | None = None
) -> list[CreditEntry]:
    """Return the movements of cards, newest first."""
    statement = (
        select(CreditEntry)
        .where(CreditEntry.merchant_id == merchant_id, CreditEntry.pass_id.in_(pass_ids))
        .order_by(CreditEntry.id.desc())
    )
    rows = await session.scalars(statement if most is None else statement.limit(most))
    return list(rows)


@dataclass(frozen=True, slots=True)
class LotEnd:
    """When what an entry gave runs out, and what of it is still there."""

    expires_at: datetime | None
    remaining_minor: int


async def lot_ends(
    session: AsyncSession, merchant_id: UUID, entries: Sequence[CreditEntry]
) -> dict[UUID, LotEnd]:
    """Return the lots that these entries gave, by the entry's id."""
    ids = [entry.id for entry in entries if entry.amount_minor > 0]
    rows = await session.execute(
        select(CreditLot.id, CreditLot.expires_at, CreditLot.remaining_minor).where(
            CreditLot.merchant_id == merchant_id, CreditLot.id.in_(ids)
        )
    )
    return {row.id: LotEnd(row.expires_at, int(row.remaining_minor)) for row in rows}


async def count_purses(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> tuple[int, int]:
    """Return what all customers of a merchant could spend now, and on how many cards it lies."""
    row = (
        await session.execute(
            select(
                func.coalesce(func.sum(CreditLot.remaining_minor), 0),
                func.count(CreditLot.pass_id.distinct()),
            ).where(
                CreditLot.merchant_id == merchant_id,
                CreditLot.remaining_minor > 0,
                or_(CreditLot.expires_at.is_(None), CreditLot.expires_at > now),
            )
        )
    ).one()
    return int(row[0]), int(row[1])
