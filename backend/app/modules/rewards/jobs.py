"""What rewards does in the background: recomputing unlocks after a change, and taking off what has run out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.cards.public import PassObject, lock_card, lock_cards, raise_revision
from app.modules.rewards.expiry import expire_due
from app.modules.rewards.queries import list_rewards, totals_of
from app.modules.rewards.rules import RewardView, is_unlocked
from app.modules.rewards.standing import settle_card
from app.modules.stores.public import get_store
from app.modules.wallets.public import mark_changed

CARDS_A_BATCH = 200
EXPIRY_BATCH = 1_000
EXPIRY_EVERY = timedelta(minutes=10)


@job("rewards.recompute_unlocks", timeout=timedelta(minutes=20), priority=-10)
async def recompute_unlocks(
    ctx: JobContext, *, program_id: UUID, reward_id: UUID | None = None, old_threshold: int | None = None
) -> None:
    """Bring every card of a programme up to its changed rewards, in short transactions.

    old_threshold: of a stamp reward that was raised. Cards that had reached it keep that reward unlocked.
    """
    after: UUID | None = None
    while True:
        async with ctx.session() as session:
            after = await _recompute_batch(
                session,
                ctx,
                program_id=program_id,
                after=after,
                reward_id=reward_id,
                old_threshold=old_threshold,
            )
        if after is None:
            return


async def _recompute_batch(
    session: AsyncSession,
    ctx: JobContext,
    *,
    program_id: UUID,
    after: UUID | None,
    reward_id: UUID | None,
    old_threshold: int | None,
) -> UUID | None:
    assert ctx.merchant_id is not None
    query = select(PassObject.id).where(
        PassObject.merchant_id == ctx.merchant_id,
        PassObject.program_id == program_id,
        PassObject.status != "erased",
    )
    if after is not None:
        query = query.where(PassObject.id > after)
    ids = list(await session.scalars(query.order_by(PassObject.id).limit(CARDS_A_BATCH)))
    rewards = await list_rewards(session, ctx.merchant_id, program_id)
    raised = next((reward for reward in rewards if reward.id == reward_id), None) if old_threshold else None
    for card in await lock_cards(session, ctx.merchant_id, ids):
        if raised is not None and old_threshold is not None:
            _keep_unlocked(card, raised, old_threshold=old_threshold)
        card.reward_unlocked = is_unlocked(totals_of(card), rewards)
        # Even where the flag stays, the numbers on the card's outputs ("7 of 12") have changed.
        raise_revision(card, now=ctx.clock.now())
        await mark_changed(session, card.merchant_id, card.id)
    return ids[-1] if len(ids) == CARDS_A_BATCH else None


def _keep_unlocked(card: PassObject, raised: RewardView, *, old_threshold: int) -> None:
    reached = raised.kind == "stamps" and old_threshold <= card.stamp_count < raised.threshold
    if reached and str(raised.id) not in card.rewards_kept:
        card.rewards_kept = {**card.rewards_kept, str(raised.id): old_threshold}


@job("rewards.expire_card", priority=-10)
async def expire_card(ctx: JobContext, *, pass_id: UUID) -> None:
    """Take off what has run out on one card; decides again under the lock, so that a fresh visit saves it."""
    assert ctx.merchant_id is not None
    async with ctx.session() as session:
        card = await lock_card(session, ctx.merchant_id, pass_id)
        place = await get_store(session, ctx.merchant_id, card.store_id)
        now = ctx.clock.now()
        if await expire_due(session, card, place.program, time_zone=place.time_zone, now=now):
            rewards = await list_rewards(session, ctx.merchant_id, card.program_id)
            await settle_card(session, card, rewards, now=now)


# Finds candidates generously (a day early, in UTC); the job decides by the store's own calendar.
_DUE = text(
    """
    SELECT lot.merchant_id, lot.pass_id FROM points_lot lot
    WHERE lot.remaining > 0 AND lot.expires_at <= :now
    UNION
    SELECT card.merchant_id, card.id FROM pass_object card
    JOIN program ON program.merchant_id = card.merchant_id AND program.id = card.program_id
    WHERE (card.points_balance > 0 AND program.points_expiry <> 'never'
           AND (CASE WHEN program.points_expiry = 'after_last_visit'
                     THEN greatest(card.last_visit_at, program.points_expiry_since)
                     ELSE program.points_expiry_since END)
               + make_interval(months => program.points_expiry_months::int) <= :now + interval '1 day')
       OR (card.stamp_count > 0 AND program.stamps_expiry_months IS NOT NULL
           AND greatest(card.first_stamp_at, program.stamps_expiry_since)
               + make_interval(months => program.stamps_expiry_months::int) <= :now + interval '1 day')
    LIMIT :most
    """
)


async def find_due_cards(ctx: JobContext) -> None:
    """Enqueue one job for each card on which something may have run out; one pending a card."""
    async with ctx.session() as session:
        rows = (await session.execute(_DUE, {"now": ctx.clock.now(), "most": EXPIRY_BATCH})).all()
        for row in rows:
            await enqueue(
                session,
                expire_card,
                merchant_id=row.merchant_id,
                key=f"expire:{row.pass_id}",
                pass_id=row.pass_id,
            )


EXPIRY = Periodic("rewards.expiry", every=EXPIRY_EVERY, run=find_due_cards)
