"""The hourly look at whose birthday it is and whose gift is over, and what follows for one person each."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.kernel.settings import get_settings
from app.modules.birthdays.queries import list_due, list_over, list_zones
from app.modules.birthdays.service import FEATURE, end_days, end_gift, give_birthday_gift
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.birthdays.telling import tell_of_gift
from app.modules.cards.public import CardJoined
from app.modules.merchants.public import FeatureSwitched, get_merchant

ROUND = timedelta(hours=1)
BATCH = 200
# Gifts that are over at once: the next hour goes on.
OVER_MAX = 1_000


async def look_at_joined(joined: CardJoined) -> None:
    """Ask for a look at somebody who joins: it may be their birthday."""
    await enqueue(
        joined.session,
        give,
        merchant_id=joined.merchant_id,
        key=str(joined.customer_id),
        customer_id=joined.customer_id,
    )


async def start_again(switched: FeatureSwitched) -> None:
    """Look who has a birthday when gifts are switched on."""
    if switched.module == FEATURE:
        await enqueue_look(switched.session, switched.merchant_id)


async def enqueue_look(session: AsyncSession, merchant_id: UUID) -> None:
    """Ask for a look at a merchant's birthdays now."""
    await enqueue(session, look, merchant_id=merchant_id, key="look")


@job("birthdays.look", timeout=timedelta(minutes=5), priority=-5)
async def look(context: JobContext) -> None:
    """Queue a gift for everybody in whose window today lies, and an end for every reward whose time is over."""
    assert context.merchant_id is not None
    merchant_id, now = context.merchant_id, context.clock.now()
    async with context.session() as session:
        if FEATURE not in (await get_merchant(session, merchant_id)).modules_on:
            return
        settings = await get_settings(session, BirthdaySettings, merchant_id=merchant_id)
        zones = await list_zones(session, merchant_id)
        earliest = min((now.astimezone(ZoneInfo(zone)).date() for zone in zones), default=now.date())
        for gift_id in await list_over(session, merchant_id, before=earliest, most=OVER_MAX):
            await enqueue(session, end, merchant_id=merchant_id, key=str(gift_id), gift_id=gift_id)
    for zone in zones if settings.is_ready else ():
        await _look_in(context, merchant_id, zone, settings)


async def _look_in(context: JobContext, merchant_id: UUID, zone: str, settings: BirthdaySettings) -> None:
    today, after = context.clock.now().astimezone(ZoneInfo(zone)).date(), UUID(int=0)
    while True:
        async with context.session() as session:
            ids = await list_due(
                session,
                merchant_id,
                zone=zone,
                window=settings.window,
                today=today,
                after=after,
                most=BATCH,
            )
            for customer_id in ids:
                await enqueue(
                    session, give, merchant_id=merchant_id, key=str(customer_id), customer_id=customer_id
                )
        if len(ids) < BATCH:
            return
        after = ids[-1]


@job("birthdays.give", priority=-5)
async def give(context: JobContext, *, customer_id: UUID) -> None:
    """Give one person their gift if it is due, and have them told."""
    assert context.merchant_id is not None
    merchant_id = context.merchant_id
    async with context.session() as session:
        gift = await give_birthday_gift(session, merchant_id, customer_id, now=context.clock.now())
        if gift is not None:
            await enqueue(session, tell, merchant_id=merchant_id, key=str(gift.id), gift_id=gift.id)


@job("birthdays.tell", priority=-5)
async def tell(context: JobContext, *, gift_id: UUID) -> None:
    """Tell somebody of their gift, or come back when it is a good moment."""
    assert context.merchant_id is not None
    merchant_id = context.merchant_id
    async with context.session() as session:
        later = await tell_of_gift(session, merchant_id, gift_id, now=context.clock.now())
        if later is not None:
            await enqueue(
                session, tell, merchant_id=merchant_id, key=str(gift_id), run_at=later, gift_id=gift_id
            )


@job("birthdays.end", priority=-5)
async def end(context: JobContext, *, gift_id: UUID) -> None:
    """Settle one gift whose time is over."""
    assert context.merchant_id is not None
    async with context.session() as session:
        await end_gift(session, context.merchant_id, gift_id, now=context.clock.now())
        await end_days(session, context.merchant_id, gift_id, now=context.clock.now())


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        shops = await session.execute(
            text("SELECT id FROM merchant WHERE :module = ANY(modules_on) ORDER BY id"), {"module": FEATURE}
        )
        for merchant_id in shops.scalars().all():
            await enqueue_look(session, merchant_id)


go_round = Periodic("birthdays.go_round", every=ROUND, run=_go_round)
