"""Following what changed, and the look at friends whose time has come. Each may be repeated and run twice at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.cards.public import PassObject
from app.modules.merchants.public import FeatureSwitched, get_merchant
from app.modules.referrals.links import FEATURE, make_missing_links
from app.modules.referrals.models import Referral
from app.modules.referrals.service import look
from app.modules.rewards.public import VoidedContext
from app.modules.wallets.public import CardsChanged, mark_changed

ROUND = timedelta(minutes=15)
BATCH = 100
LINKS_BATCH = 500


async def start_again(switched: FeatureSwitched) -> None:
    """Make the links that are missing when the feature is switched on."""
    if switched.module == FEATURE:
        await enqueue(switched.session, make_links, merchant_id=switched.merchant_id, key="links")


async def follow_cards(changed: CardsChanged) -> None:
    """Look at friends whose own card, or whose inviter's, changed."""
    for merchant_id, pass_id in changed.cards_with(FEATURE):
        await enqueue_card(changed.session, merchant_id, pass_id)


async def follow_undone(voided: VoidedContext) -> None:
    """Look at what an undone visit had brought, when it is committed."""
    if voided.visit_id is not None:
        await enqueue_card(voided.session, voided.merchant_id, voided.pass_id)


async def enqueue_card(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
    """Ask for a look at the friends a card has to do with."""
    await enqueue(session, look_at_card, merchant_id=merchant_id, key=str(pass_id), pass_id=pass_id)


async def enqueue_look(session: AsyncSession, merchant_id: UUID, referral_id: UUID) -> None:
    """Ask for a look at one friend."""
    await enqueue(
        session, look_at_friend, merchant_id=merchant_id, key=str(referral_id), referral_id=referral_id
    )


@job("referrals.look_at_friend")
async def look_at_friend(context: JobContext, *, referral_id: UUID) -> None:
    """Bring one friend to where they stand; a visit that can still be undone is looked at when it cannot."""
    assert context.merchant_id is not None
    async with context.session() as session:
        status = await look(session, context.merchant_id, referral_id, now=context.clock.now())
        row = await session.get(Referral, (context.merchant_id, referral_id))
        if status == "joined" and row is not None and row.look_at is not None:
            await enqueue(
                session,
                look_at_friend,
                merchant_id=context.merchant_id,
                key=str(referral_id),
                run_at=row.look_at + timedelta(seconds=1),
                referral_id=referral_id,
            )


@job("referrals.look_at_card", priority=-8)
async def look_at_card(context: JobContext, *, pass_id: UUID) -> None:
    """Look at the friends that a card's owner is, or brought along, each in a transaction of its own."""
    assert context.merchant_id is not None
    async with context.session() as session:
        owner = select(PassObject.customer_id).where(
            PassObject.merchant_id == context.merchant_id, PassObject.id == pass_id
        )
        cards = select(PassObject.id).where(
            PassObject.merchant_id == context.merchant_id, PassObject.customer_id.in_(owner)
        )
        rows = await session.scalars(
            select(Referral.id)
            .where(
                Referral.merchant_id == context.merchant_id,
                Referral.friend_pass_id.in_(cards) & Referral.status.in_(("joined", "due", "given"))
                | Referral.inviter_pass_id.in_(cards) & (Referral.status == "due"),
            )
            .order_by(Referral.id)
            .limit(BATCH)
        )
        ids = list(rows)
    for referral_id in ids:
        await look_at_friend.function(context, referral_id=referral_id)


@job("referrals.look_due", timeout=timedelta(minutes=10), priority=-5)
async def look_due(context: JobContext) -> None:
    """Look at the friends whose time has come; each look moves it, so that this ends by itself."""
    assert context.merchant_id is not None
    after = UUID(int=0)
    while True:
        async with context.session() as session:
            rows = await session.scalars(
                select(Referral.id)
                .where(
                    Referral.merchant_id == context.merchant_id,
                    Referral.look_at < context.clock.now(),
                    Referral.id > after,
                )
                .order_by(Referral.id)
                .limit(BATCH)
            )
            ids = list(rows)
        for referral_id in ids:
            async with context.session() as session:
                await look(session, context.merchant_id, referral_id, now=context.clock.now())
        if len(ids) < BATCH:
            return
        after = ids[-1]


@job("referrals.make_links", timeout=timedelta(minutes=10), priority=-5)
async def make_links(context: JobContext) -> None:
    """Make the links of cards that have none yet, batch by batch, and have those cards drawn again."""
    assert context.merchant_id is not None
    merchant_id = context.merchant_id
    while True:
        async with context.session() as session:
            if FEATURE not in (await get_merchant(session, merchant_id)).modules_on:
                return
            made = await make_missing_links(session, merchant_id, most=LINKS_BATCH, now=context.clock.now())
            for pass_id in made:
                await mark_changed(session, merchant_id, pass_id)
        if len(made) < LINKS_BATCH:
            return


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        shops = await session.execute(
            text("SELECT id FROM merchant WHERE :module = ANY(modules_on) ORDER BY id"), {"module": FEATURE}
        )
        for merchant_id in shops.scalars().all():
            await enqueue(session, look_due, merchant_id=merchant_id, key="due")
            await enqueue(session, make_links, merchant_id=merchant_id, key="links")


go_round = Periodic("referrals.go_round", every=ROUND, run=_go_round)
