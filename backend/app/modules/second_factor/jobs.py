"""Sweeping questions to authenticators that nobody answered."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from app.kernel.jobs import JobContext, Periodic
from app.modules.second_factor.models import PasskeyChallenge


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            delete(PasskeyChallenge).where(PasskeyChallenge.expires_at <= context.clock.now())
        )


sweep = Periodic("second_factor.sweep", every=timedelta(hours=1), run=_sweep)
