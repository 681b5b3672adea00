"""The round that looks who is due, and the batches of news. Each of both may be repeated and run twice at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.kernel.locks import lock_name
from app.modules.nudges.broadcasts.service import send_batch
from app.modules.nudges.service import MODULE_NAME, write_due

ROUND = timedelta(minutes=15)


@job("nudges.write_messages", timeout=timedelta(minutes=5), priority=-5)
async def write_messages(context: JobContext) -> None:
    """Write one shop's messages that are due."""
    assert context.merchant_id is not None
    async with context.session() as session:
        await lock_name(session, "nudges", context.merchant_id)
        await write_due(session, context.merchant_id, now=context.clock.now())


@job("nudges.send_news", timeout=timedelta(minutes=5), priority=-5)
async def send_news(context: JobContext, *, news_id: UUID) -> None:
    """Write the next batch of a news, and come back while there are more."""
    assert context.merchant_id is not None
    async with context.session() as session:
        now, merchant_id = context.clock.now(), context.merchant_id
        again_at = await send_batch(session, merchant_id, news_id, now=now)
        if again_at is not None:
            later = again_at if again_at > now else None
            await enqueue(
                session, send_news, merchant_id=merchant_id, key=str(news_id), run_at=later, news_id=news_id
            )


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        shops = await session.execute(
            text("SELECT id FROM merchant WHERE :module = ANY(modules_on) ORDER BY id"),
            {"module": MODULE_NAME},
        )
        for merchant_id in shops.scalars().all():
            await enqueue(session, write_messages, merchant_id=merchant_id, key="messages")


go_round = Periodic("nudges.go_round", every=ROUND, run=_go_round)
