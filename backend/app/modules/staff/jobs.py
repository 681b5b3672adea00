"""Sweeping attempts that no limit counts any more."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from app.kernel.jobs import JobContext, Periodic
from app.modules.staff.models import PinAttempt
from app.modules.staff.rules import ATTEMPTS_KEPT_FOR


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            delete(PinAttempt).where(PinAttempt.at <= context.clock.now() - ATTEMPTS_KEPT_FOR)
        )


sweep = Periodic("staff.sweep_attempts", every=timedelta(hours=1), run=_sweep)
