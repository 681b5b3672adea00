"""The worker's part: counting what changed, counting anew, forgetting what is no longer read."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import system_scope
from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.analytics.counting.service import (
    CARDS_A_TURN,
    continue_counting,
    count_pending,
    forget_old_countings,
    leave_pending,
    lock_countings,
    take_countings,
)
from app.modules.analytics.value.service import fit_value
from app.modules.cards.public import CardJoined
from app.modules.wallets.public import CardsChanged

MERCHANTS_A_TURN = 50
# Between two batches of a counting, so that a burst is caught up with and the counting still goes on.
TURNS_BETWEEN = 5
KEEP_EVERY = timedelta(minutes=10)

_WAITING = text(
    "SELECT DISTINCT merchant_id FROM (SELECT merchant_id FROM rollup_pending ORDER BY at LIMIT 5000) AS oldest"
    " LIMIT :most"
)
_MERCHANTS = text("SELECT id FROM merchant ORDER BY id")


async def on_cards_changed(changed: CardsChanged) -> None:
    """Note which cards are to be counted; the refresh marks have just been taken."""
    await leave_pending(changed.session, changed.cards)


async def on_card_joined(joined: CardJoined) -> None:
    """Note a fresh card: it has no refresh mark."""
    await leave_pending(joined.session, [(joined.merchant_id, joined.pass_id)])


async def poll_pending(context: JobContext) -> int:
    """Count what waits, merchant by merchant in short transactions; returns how many cards there were."""
    async with system_scope(context.database) as session:
        merchants = list(await session.scalars(_WAITING, {"most": MERCHANTS_A_TURN}))
    return sum([await _count_one(context, merchant_id) for merchant_id in merchants])


async def _count_one(context: JobContext, merchant_id: UUID) -> int:
    """Count what waits of a merchant; nothing where it is being counted, which counts that, too, and soon."""
    async with context.tenant(merchant_id) as session:
        if not await take_countings(session, merchant_id):
            return 0
        counted = await count_pending(session, merchant_id, now=context.clock.now())
        await _go_on_later(session, merchant_id)
        return counted


async def _go_on_later(session: AsyncSession, merchant_id: UUID) -> None:
    """Queue the rest of a counting that is under way, or the deletion of an earlier one."""
    countings = await lock_countings(session, merchant_id)
    if not all(counting.live and counting.complete for counting in countings):
        await enqueue(session, count_anew, merchant_id=merchant_id, key="count")


async def _count_meanwhile(context: JobContext, merchant_id: UUID) -> None:
    """Count what changed during a batch: the pollers pass by while the merchant is being counted."""
    for _turn in range(TURNS_BETWEEN):
        async with context.session() as session:
            if await count_pending(session, merchant_id, now=context.clock.now()) < CARDS_A_TURN:
                return


@job("analytics.count_anew", timeout=timedelta(minutes=20), priority=-10)
async def count_anew(context: JobContext) -> None:
    """Bring the counting under way to its end in short transactions; interrupted, it goes on where it was."""
    assert context.merchant_id is not None
    more = True
    while more:
        async with context.session() as session:
            more = await continue_counting(session, context.merchant_id, now=context.clock.now())
        await _count_meanwhile(context, context.merchant_id)
    more = True
    while more:
        async with context.session() as session:
            more = await forget_old_countings(session, context.merchant_id)


async def keep_countings(context: JobContext) -> None:
    """See that every merchant is counted, and anew where a time zone or the currency changed since."""
    async with system_scope(context.database) as session:
        merchants = list(await session.scalars(_MERCHANTS))
    for merchant_id in merchants:
        await _count_one(context, merchant_id)


KEEP = Periodic("analytics.keep", every=KEEP_EVERY, run=keep_countings, timeout=timedelta(minutes=9))


@job("analytics.fit_value", timeout=timedelta(minutes=10), priority=-20)
async def fit_customers(context: JobContext) -> None:
    """Fit what the merchant's customers are worth."""
    await fit_value(context)


async def fit_all(context: JobContext) -> None:
    """Queue one fit a merchant; those without customers say so at once."""
    async with system_scope(context.database) as session:
        for merchant_id in await session.scalars(_MERCHANTS):
            await enqueue(session, fit_customers, merchant_id=merchant_id, key="fit")


FIT = Periodic("analytics.fit_value", every=timedelta(hours=24), run=fit_all)
