"""Following what changed, and the hourly look at periods that are over. Each may be repeated and run twice at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.cards.public import PassObject
from app.modules.merchants.public import FeatureSwitched, find_standstill
from app.modules.tiers.models import TierStanding
from app.modules.tiers.service import FEATURE, load_ladder, weigh_cards
from app.modules.wallets.public import CardsChanged

ROUND = timedelta(hours=1)
BATCH = 200


async def follow_cards(changed: CardsChanged) -> None:
    """Look at cards that changed, in the merchants that have levels."""
    for merchant_id, pass_id in changed.cards_with(FEATURE):
        await enqueue(changed.session, weigh_card, merchant_id=merchant_id, key=str(pass_id), pass_id=pass_id)


async def start_again(switched: FeatureSwitched) -> None:
    """Look at every card after levels were switched on."""
    if switched.module == FEATURE:
        await enqueue_all(switched.session, switched.merchant_id)


async def enqueue_all(session: AsyncSession, merchant_id: UUID) -> None:
    """Ask for a look at every card of a merchant: the ladder is new, or another one."""
    await enqueue(session, weigh_all, merchant_id=merchant_id, key="all")


@job("tiers.weigh_card", priority=-8)
async def weigh_card(context: JobContext, *, pass_id: UUID) -> None:
    """Bring one card to where it stands."""
    assert context.merchant_id is not None
    async with context.session() as session:
        await weigh_cards(session, context.merchant_id, [pass_id], now=context.clock.now())


@job("tiers.weigh_all", timeout=timedelta(minutes=10), priority=-5)
async def weigh_all(context: JobContext) -> None:
    """Bring every card to where it stands, batch by batch."""
    assert context.merchant_id is not None
    after = UUID(int=0)
    while True:
        async with context.session() as session:
            ids = await _cards_after(session, context.merchant_id, after)
            await weigh_cards(session, context.merchant_id, ids, now=context.clock.now())
        if len(ids) < BATCH:
            return
        after = ids[-1]


async def _cards_after(session: AsyncSession, merchant_id: UUID, after: UUID) -> list[UUID]:
    statement = (
        select(PassObject.id)
        .where(
            PassObject.merchant_id == merchant_id,
            PassObject.status.in_(("active", "blocked")),
            PassObject.id > after,
        )
        .order_by(PassObject.id)
        .limit(BATCH)
    )
    return list(await session.scalars(statement))


@job("tiers.weigh_due", timeout=timedelta(minutes=10), priority=-5)
async def weigh_due(context: JobContext) -> None:
    """Look again at the cards whose period is over; each look moves its end, so that this ends by itself."""
    assert context.merchant_id is not None
    while True:
        async with context.session() as session:
            ladder = await load_ladder(session, context.merchant_id)
            if not ladder.is_on or await find_standstill(session, context.merchant_id) is not None:
                return
            due = await session.scalars(
                select(TierStanding.pass_id)
                .join(
                    PassObject,
                    (PassObject.merchant_id == TierStanding.merchant_id)
                    & (PassObject.id == TierStanding.pass_id),
                )
                .where(
                    TierStanding.merchant_id == context.merchant_id,
                    TierStanding.held_until < ladder.today(context.clock.now()),
                    PassObject.status.in_(("active", "blocked")),
                )
                .order_by(TierStanding.pass_id)
                .limit(BATCH)
            )
            ids = list(due)
            await weigh_cards(session, context.merchant_id, ids, now=context.clock.now())
        if len(ids) < BATCH:
            return


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        shops = await session.execute(
            text("SELECT id FROM merchant WHERE :module = ANY(modules_on) ORDER BY id"), {"module": FEATURE}
        )
        for merchant_id in shops.scalars().all():
            await enqueue(session, weigh_due, merchant_id=merchant_id, key="due")


go_round = Periodic("tiers.go_round", every=ROUND, run=_go_round)
