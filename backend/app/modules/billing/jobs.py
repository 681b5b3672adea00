"""Counting every merchant's use each hour, one short transaction each."""

from __future__ import annotations

from datetime import timedelta

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.kernel.metering import METER
from app.modules.billing.service import close_months, count_meter
from app.modules.merchants.public import list_merchant_ids

ROUND = timedelta(hours=1)


@job("billing.count", timeout=timedelta(minutes=5), priority=-10)
async def count(context: JobContext) -> None:
    """Count what one merchant uses, a short transaction for each meter: nobody waits longer than one count."""
    assert context.merchant_id is not None
    async with context.session() as session:
        await close_months(session, context.merchant_id, now=context.clock.now())
    for name, _meter in METER.items():
        async with context.session() as session:
            await count_meter(session, context.merchant_id, name, now=context.clock.now())


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        for merchant_id in await list_merchant_ids(session):
            await enqueue(session, count, merchant_id=merchant_id, key="count")


go_round = Periodic("billing.go_round", every=ROUND, run=_go_round)
