"""Erasing closed businesses whose time is over: looked for every hour, done in short transactions."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.closing.erasing import empty_batch, erase_batch
from app.modules.closing.rules import VOIDED_WITHIN
from app.modules.closing.service import find_closing

ROUND = timedelta(hours=1)
_CLOSED = text("SELECT id FROM merchant WHERE feature_rules ? 'closing' ORDER BY id")


@job("closing.erase", timeout=timedelta(minutes=30), priority=-10)
async def erase(context: JobContext) -> None:
    """Erase the people of a business batch by batch; interrupted, the next turn goes on."""
    assert context.merchant_id is not None
    has_more = True
    while has_more:
        async with context.session() as session:
            has_more = await erase_batch(session, context.merchant_id, now=context.clock.now())


@job("closing.empty", timeout=timedelta(minutes=30), priority=-10)
async def empty(context: JobContext) -> None:
    """Take away what is left of an erased business batch by batch; interrupted, the next turn goes on."""
    assert context.merchant_id is not None
    has_more = True
    while has_more:
        async with context.session() as session:
            has_more = await empty_batch(session, context.merchant_id, now=context.clock.now())


async def _go_round(context: JobContext) -> None:
    now = context.clock.now()
    async with context.session() as session:
        closed = (await session.execute(_CLOSED)).scalars().all()
    for merchant_id in closed:
        async with context.tenant(merchant_id) as session:
            closing = await find_closing(session, merchant_id)
            if closing is None or closing.emptied_at is not None:
                continue
            if closing.erased_at is None and now >= closing.erase_at:
                await enqueue(session, erase, merchant_id=merchant_id, key="erase")
            elif closing.erased_at is not None and now >= closing.erased_at + VOIDED_WITHIN:
                await enqueue(session, empty, merchant_id=merchant_id, key="empty")


go_round = Periodic("closing.go_round", every=ROUND, run=_go_round)
