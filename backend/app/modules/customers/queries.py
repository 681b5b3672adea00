"""Reads and row changes of customers; every statement names the merchant."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import column, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.models import ConsentRecord, Customer

# Read as a plain table: the module of cards stands above this one.
_CARD = table("pass_object", column("merchant_id"), column("id"), column("customer_id"))


async def lock_cards_of(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Lock a customer's cards in id order before anything of theirs, as whoever stamps, redeems or joins cards does."""
    mine = (_CARD.c.merchant_id == merchant_id) & (_CARD.c.customer_id == customer_id)
    await session.execute(select(_CARD.c.id).where(mine).order_by(_CARD.c.id).with_for_update())


async def find_customer_row(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Customer | None:
    """Return the row of a customer of this merchant, or None."""
    statement = select(Customer).where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_customer_row(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Customer | None:
    """Return the row of a customer under its lock, freshly read."""
    statement = (
        select(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def find_verified_row(session: AsyncSession, merchant_id: UUID, email: str) -> Customer | None:
    """Return the one customer whose mailbox confirmed this address, or None."""
    statement = select(Customer).where(
        Customer.merchant_id == merchant_id,
        Customer.email_key == email.lower(),
        Customer.email_verified_at.is_not(None),
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def list_rows_by_email(
    session: AsyncSession, merchant_id: UUID, email: str, *, limit: int
) -> Sequence[Customer]:
    """Return customers who gave this address, confirmed ones first, then the newest."""
    statement = (
        select(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.email_key == email.lower())
        .order_by(Customer.email_verified_at.is_(None), Customer.created_at.desc(), Customer.id)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def list_rows_by_id(
    session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]
) -> Sequence[Customer]:
    """Return the rows of these customers, in no particular order."""
    statement = select(Customer).where(Customer.merchant_id == merchant_id, Customer.id.in_(ids))
    return (await session.execute(statement)).scalars().all()


async def list_consents(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Sequence[ConsentRecord]:
    """Return the consents of a customer, oldest first."""
    statement = (
        select(ConsentRecord)
        .where(ConsentRecord.merchant_id == merchant_id, ConsentRecord.customer_id == customer_id)
        .order_by(ConsentRecord.id)
    )
    return (await session.execute(statement)).scalars().all()
