"""Sweeping operators' sessions that ended long ago."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from app.kernel.jobs import JobContext, Periodic
from app.modules.operators.models import OperatorSession

SESSIONS_KEPT = timedelta(days=30)


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            delete(OperatorSession).where(OperatorSession.expires_at <= context.clock.now() - SESSIONS_KEPT)
        )


sweep = Periodic("operators.sweep", every=timedelta(hours=6), run=_sweep)
