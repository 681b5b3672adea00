"""Deleting hashes that were kept long enough, every hour."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.kernel.jobs import JobContext, Periodic
from app.modules.fingerprints.service import forget_old


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            await forget_old(session, merchant_id, now=context.clock.now())


sweep = Periodic("fingerprints.sweep", every=timedelta(hours=1), run=_sweep)
