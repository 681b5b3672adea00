"""The worker's part: finding what is due, sending it, and forgetting what is old."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from app.db.session import system_scope
from app.kernel.jobs import JobContext, Periodic, Wish, enqueue_all, job
from app.modules.webhooks.deliveries import forget_old
from app.modules.webhooks.sending.turns import release_endpoint, send_due, take_endpoint

# Places of the workers that one shop's addresses hold together, and all those that failed last, of a shop one: a
# receiver that does not answer takes fifteen seconds to say nothing. Who is due longest is first; the same are
# picked until they have begun.
OF_A_MERCHANT = 2
FAILING = 2
FAILING_OF_A_MERCHANT = 1
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
), target AS (
    SELECT webhook_endpoint.*, coalesce(sending_until > :now, false) AS is_held, failures > 0 AS is_failing
    FROM point JOIN webhook_endpoint ON webhook_endpoint.merchant_id = point.merchant_id
        AND webhook_endpoint.id = point.endpoint_id
), due AS (
    SELECT target.*, greatest(retry_at, first.next_at) AS since, row_number() OVER (
        PARTITION BY target.merchant_id, is_failing ORDER BY greatest(retry_at, first.next_at), target.id) AS own_line
    FROM target CROSS JOIN LATERAL (
        SELECT next_at FROM webhook_delivery one WHERE one.merchant_id = target.merchant_id
            AND one.endpoint_id = target.id AND one.status = 'waiting' AND one.next_at <= :now
        ORDER BY next_at LIMIT 1) first
    WHERE NOT is_held AND (retry_at IS NULL OR retry_at <= :now)
), fair AS (
    SELECT due.*, row_number() OVER (PARTITION BY merchant_id ORDER BY since, id) AS place
    FROM due WHERE NOT is_failing OR own_line <= :failing_of_merchant - (
        SELECT count(*) FROM target held
        WHERE held.is_held AND held.is_failing AND held.merchant_id = due.merchant_id)
), shared AS (
    SELECT fair.*, row_number() OVER (PARTITION BY is_failing ORDER BY since, retry_at NULLS FIRST, id) AS line
    FROM fair WHERE place <= :of_merchant - (
        SELECT count(*) FROM target held WHERE held.is_held AND held.merchant_id = fair.merchant_id)
)
SELECT merchant_id, id AS endpoint_id FROM shared
WHERE NOT is_failing OR line <= :failing - (SELECT count(*) FROM target WHERE is_held AND is_failing)"""
)
_KEEPERS = text("SELECT id FROM merchant ORDER BY id")


async def poll_due(context: JobContext) -> int:
    """Queue a run for addresses with something due, in their shares; returns 0.

    They stay due until their run has begun: asked again at once, the same would be found.
    """
    values = {
        "now": context.clock.now(),
        "of_merchant": OF_A_MERCHANT,
        "failing": FAILING,
        "failing_of_merchant": FAILING_OF_A_MERCHANT,
    }
    async with system_scope(context.database) as session:
        due = (await session.execute(_DUE, values)).all()
        if due:
            wishes = [
                Wish(row.merchant_id, {"endpoint_id": row.endpoint_id}, str(row.endpoint_id)) for row in due
            ]
            await enqueue_all(session, send, wishes)
    return 0


@job("webhooks.send", timeout=timedelta(seconds=90), priority=-2, calls_strangers=True)
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
