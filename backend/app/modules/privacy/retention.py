"""Forgetting customers who have not come for as long as the merchant says."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import system_scope
from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.kernel.settings import get_settings
from app.modules.cards.public import PassObject
from app.modules.customers.public import Customer, erase_person
from app.modules.privacy.rules import months_before
from app.modules.privacy.settings import PrivacySettings

BATCH = 100


async def list_inactive(
    session: AsyncSession, merchant_id: UUID, *, before: datetime, limit: int = BATCH
) -> list[UUID]:
    """Return customers without a visit, and without a new card, since a moment; oldest first."""
    since = exists().where(
        PassObject.merchant_id == Customer.merchant_id,
        PassObject.customer_id == Customer.id,
        (PassObject.last_visit_at >= before) | (PassObject.created_at >= before),
    )
    rows = await session.scalars(
        select(Customer.id)
        .where(
            Customer.merchant_id == merchant_id,
            Customer.erased_at.is_(None),
            Customer.created_at < before,
            ~since,
        )
        .order_by(Customer.created_at)
        .limit(limit)
    )
    return list(rows)


async def erase_inactive(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Erase a batch of a merchant's inactive customers; returns how many. Nothing where the merchant keeps all."""
    settings = await get_settings(session, PrivacySettings, merchant_id=merchant_id)
    if settings.inactive_months == 0:
        return 0
    gone = await list_inactive(session, merchant_id, before=months_before(now, settings.inactive_months))
    for customer_id in gone:
        await erase_person(session, merchant_id, customer_id)
    return len(gone)


@job("privacy.erase_inactive", timeout=timedelta(minutes=5), priority=-5)
async def erase_inactive_job(context: JobContext) -> None:
    """Erase one batch, and queue the next where there may be more."""
    assert context.merchant_id is not None
    async with context.session() as session:
        gone = await erase_inactive(session, context.merchant_id, now=context.clock.now())
        if gone == BATCH:
            await enqueue(session, erase_inactive_job, merchant_id=context.merchant_id, key="again")


async def run_retention(context: JobContext) -> None:
    """Queue a look at every merchant's customers."""
    async with system_scope(context.database) as session:
        merchants = list(await session.scalars(text("SELECT id FROM merchant ORDER BY id")))
        for merchant_id in merchants:
            await enqueue(session, erase_inactive_job, merchant_id=merchant_id, key="retention")


RETENTION = Periodic("privacy.retention", every=timedelta(days=1), run=run_retention)
