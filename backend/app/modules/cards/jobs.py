"""Forgetting mailed links that have ended."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from app.kernel.jobs import JobContext, Periodic
from app.modules.cards.models import CardLink

# An ended link stays for a while, so that its holder is told that it was used and not that it never was.
LINKS_KEPT = timedelta(days=7)


async def _sweep(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(delete(CardLink).where(CardLink.expires_at <= context.clock.now() - LINKS_KEPT))


sweep = Periodic("cards.sweep_links", every=timedelta(hours=6), run=_sweep)
