"""The worker's part: finding what is due, sending it, and forgetting what is old."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from app.db.session import system_scope
from app.kernel.jobs import JobContext, Periodic, Wish, enqueue_all, job
from app.modules.webhooks.deliveries import forget_old
from app.modules.webhooks.sending.turns import release_endpoint, send_due, take_endpoint

# From one address with something waiting to the next by the index, however much waits for each.
_DUE = text(
    """WITH RECURSIVE point AS (
    (SELECT merchant_id, endpoint_id FROM webhook_delivery WHERE status = 'waiting'
        ORDER BY merchant_id, endpoint_id LIMIT 1)
    UNION ALL
    SELECT following.merchant_id, following.endpoint_id FROM point CROSS JOIN LATERAL (
        SELECT merchant_id, endpoint_id FROM webhook_delivery WHERE status = 'waiting'
            AND (merchant_id, endpoint_id) > (point.merchant_id, point.endpoint_id)
        ORDER BY merchant_id, endpoint_id LIMIT 1) following
)
SELECT point.merchant_id, point.endpoint_id FROM point
JOIN webhook_endpoint target ON target.merchant_id = point.merchant_id AND target.id = point.endpoint_id
WHERE (target.sending_until IS NULL OR target.sending_until <= :now)
    AND (target.retry_at IS NULL OR target.retry_at <= :now)
    AND EXISTS (SELECT FROM webhook_delivery due WHERE due.merchant_id = point.merchant_id
        AND due.endpoint_id = point.endpoint_id AND due.status = 'waiting' AND due.next_at <= :now)"""
)
_KEEPERS = text("SELECT id FROM merchant ORDER BY id")


async def poll_due(context: JobContext) -> int:
    """Queue a run for each address with something due; returns how many there are."""
    async with system_scope(context.database) as session:
        due = (await session.execute(_DUE, {"now": context.clock.now()})).all()
        if due:
            wishes = [
                Wish(row.merchant_id, {"endpoint_id": row.endpoint_id}, str(row.endpoint_id)) for row in due
            ]
            await enqueue_all(session, send, wishes)
    return len(due)


@job("webhooks.send", timeout=timedelta(seconds=90), priority=-2)
async def send(context: JobContext, *, endpoint_id: UUID) -> None:
    """Send what is due to one address."""
    if not await take_endpoint(context, endpoint_id):
        return
    try:
        await send_due(context, endpoint_id)
    finally:
        await release_endpoint(context, endpoint_id)


async def _forget(context: JobContext) -> None:
    async with context.session() as session:
        merchants = (await session.execute(_KEEPERS)).scalars().all()
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            await forget_old(session, merchant_id, now=context.clock.now())


forget = Periodic("webhooks.forget", every=timedelta(hours=6), run=_forget)
