"""Looking at visits in the worker, within seconds of a card's change and at most every ten; never at the till."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.clock import make_clock
from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.fraud.queries import find_last_scan
from app.modules.fraud.service import forget_old, scan_visits
from app.modules.wallets.public import CardsChanged

# Visits of a busy shop are looked at together.
SCAN_EVERY = timedelta(seconds=10)


@job("fraud.scan", timeout=timedelta(minutes=2), priority=-1)
async def scan(context: JobContext) -> None:
    """Look at a merchant's newest visits."""
    merchant_id, now = context.merchant_id, context.clock.now()
    assert merchant_id is not None
    async with context.session() as session:
        last = await find_last_scan(session, merchant_id)
        if last is not None and timedelta() <= now - last < SCAN_EVERY:
            await enqueue(session, scan, merchant_id=merchant_id, key="scan", run_at=last + SCAN_EVERY)
            return
        await scan_visits(session, merchant_id, now=now)


async def look_soon(changed: CardsChanged) -> None:
    """Queue one look in ten seconds for each merchant whose cards changed; more changes until then ride along."""
    clock = make_clock(resources_of(changed.session).get(Settings).clock_file)
    soon = clock.now() + SCAN_EVERY
    for merchant_id in sorted({merchant_id for merchant_id, _pass_id in changed.cards}):
        await enqueue(changed.session, scan, merchant_id=merchant_id, key="scan", run_at=soon)


async def _catch_up(context: JobContext) -> None:
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
        for merchant_id in merchants:
            await enqueue(session, scan, merchant_id=merchant_id, key="scan")


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            await forget_old(session, merchant_id, now=context.clock.now())


sweep = Periodic("fraud.sweep", every=timedelta(hours=1), run=_sweep)
catch_up = Periodic("fraud.catch_up", every=timedelta(hours=1), run=_catch_up)
