"""`rebuild-analytics`: count every roll-up anew from the raw rows; interrupted, it goes on where it was."""

from __future__ import annotations

import asyncio
from uuid import UUID

from rich.progress import Progress
from sqlalchemy import text

from app.commands.database import open_database
from app.config import Settings
from app.db.session import system_scope, tenant_scope
from app.modules.analytics.counting.service import (
    begin_counting,
    continue_counting,
    forget_old_countings,
    lock_countings,
)
from app.process import Process, build_process


def rebuild(settings: Settings) -> int:
    """Count all merchants anew, beside the figures in use; returns how many merchants there are."""
    with open_database(settings) as ready:
        return asyncio.run(_rebuild(ready))


async def _rebuild(settings: Settings) -> int:
    process = build_process(settings)
    try:
        async with system_scope(process.database) as session:
            merchants = list(await session.scalars(text("SELECT id FROM merchant ORDER BY id")))
        with Progress(transient=True) as progress:
            for merchant_id in progress.track(merchants, description="Counting"):
                await _rebuild_one(process, merchant_id)
        return len(merchants)
    finally:
        await process.aclose()


async def _rebuild_one(process: Process, merchant_id: UUID) -> None:
    now = process.clock.now()
    async with tenant_scope(process.database, merchant_id) as session:
        under_way = [one for one in await lock_countings(session, merchant_id) if not one.complete]
        if not under_way:
            await begin_counting(session, merchant_id, now=now)
    for step in (_next_batch, _next_deletion):
        while await step(process, merchant_id):
            pass


async def _next_batch(process: Process, merchant_id: UUID) -> bool:
    async with tenant_scope(process.database, merchant_id) as session:
        return await continue_counting(session, merchant_id, now=process.clock.now())


async def _next_deletion(process: Process, merchant_id: UUID) -> bool:
    async with tenant_scope(process.database, merchant_id) as session:
        return await forget_old_countings(session, merchant_id)
