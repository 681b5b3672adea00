"""Sweeping attempts that no limit counts any more, and keeping the schedule of PINs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, text

from app.kernel.jobs import JobContext, Periodic
from app.modules.staff.models import PinAttempt
from app.modules.staff.renewal import run_renewals
from app.modules.staff.rules import ATTEMPTS_KEPT_FOR


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            delete(PinAttempt).where(PinAttempt.at <= context.clock.now() - ATTEMPTS_KEPT_FOR)
        )


async def _renew_pins(context: JobContext) -> None:
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            await run_renewals(session, merchant_id, now=context.clock.now())


renew_pins = Periodic("staff.renew_pins", every=timedelta(hours=1), run=_renew_pins)
sweep = Periodic("staff.sweep_attempts", every=timedelta(hours=1), run=_sweep)
