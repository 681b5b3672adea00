"""Credit that runs out, and what happened while cashback was off. Each may be repeated and run twice at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, Periodic, enqueue, job
from app.modules.cards.public import lock_card, lock_card_now, lock_cards, raise_revision
from app.modules.cashback.ledger import open_purse
from app.modules.cashback.models import CreditEntry, CreditLot
from app.modules.cashback.service import note_rules
from app.modules.cashback.till import FEATURE, list_visit_entries, move_credit, undo_visit
from app.modules.merchants.public import FeatureSwitched, get_merchant
from app.modules.visits.public import Visit
from app.modules.wallets.public import mark_changed

ROUND = timedelta(hours=1)
BATCH = 200


async def on_switched(switched: FeatureSwitched) -> None:
    """Let the till know the rules, and make good what happened while cashback was off."""
    if switched.module == FEATURE:
        await note_rules(switched.session, switched.merchant_id)
        await enqueue(switched.session, catch_up, merchant_id=switched.merchant_id, key="catch-up")


@job("cashback.expire_due", timeout=timedelta(minutes=10), priority=-5)
async def expire_due(context: JobContext) -> None:
    """Take off what has run out, card by card, each under its lock."""
    assert context.merchant_id is not None
    while True:
        async with context.session() as session:
            now = context.clock.now()
            merchant = await get_merchant(session, context.merchant_id)
            due = await session.scalars(
                select(CreditLot.pass_id)
                .where(
                    CreditLot.merchant_id == context.merchant_id,
                    CreditLot.remaining_minor > 0,
                    CreditLot.expires_at <= now,
                )
                .distinct()
                .order_by(CreditLot.pass_id)
                .limit(BATCH)
            )
            cards = await lock_cards(session, context.merchant_id, list(due))
            for card in cards:
                purse = await open_purse(session, context.merchant_id, card.id)
                if await purse.expire(merchant.currency, now=now):
                    raise_revision(card, now=now)
                    await mark_changed(session, context.merchant_id, card.id)
        if len(cards) < BATCH:
            return


@job("cashback.catch_up", timeout=timedelta(minutes=10), priority=-5)
async def catch_up(context: JobContext) -> None:
    """Undo the credit of visits taken back, and move that of cards joined, while cashback was switched off."""
    assert context.merchant_id is not None
    async with context.session() as session:
        merged = await _merged_cards(session, context.merchant_id)
    for source_id in merged:
        async with context.session() as session:
            await _move(session, context, source_id)
    async with context.session() as session:
        visits = await _voided_visits(session, context.merchant_id)
    for visit_id, pass_id in visits:
        async with context.session() as session:
            card = await lock_card_now(session, context.merchant_id, pass_id)
            now = context.clock.now()
            await undo_visit(session, context.merchant_id, card.id, visit_id=visit_id, now=now)
            raise_revision(card, now=now)
            await mark_changed(session, context.merchant_id, card.id)


async def _voided_visits(session: AsyncSession, merchant_id: UUID) -> list[tuple[UUID, UUID]]:
    rows = await session.execute(
        select(Visit.id, Visit.pass_id)
        .join(
            CreditEntry,
            (CreditEntry.merchant_id == Visit.merchant_id) & (CreditEntry.visit_id == Visit.id),
        )
        .where(
            Visit.merchant_id == merchant_id,
            Visit.voided_at.is_not(None),
            CreditEntry.kind.in_(("earn", "spend")),
        )
        .distinct()
        .order_by(Visit.id)
    )
    return [
        (visit_id, pass_id)
        for visit_id, pass_id in rows
        if await list_visit_entries(session, merchant_id, visit_id)
    ]


async def _merged_cards(session: AsyncSession, merchant_id: UUID) -> list[UUID]:
    rows = await session.execute(
        text(
            "SELECT account.pass_id FROM credit_account account"
            " JOIN pass_object card ON card.merchant_id = account.merchant_id AND card.id = account.pass_id"
            " WHERE account.merchant_id = :merchant_id AND card.status = 'merged'"
            " AND (account.balance_minor <> 0 OR EXISTS (SELECT FROM credit_lot lot"
            "      WHERE lot.merchant_id = account.merchant_id AND lot.pass_id = account.pass_id))"
            " ORDER BY account.pass_id"
        ),
        {"merchant_id": merchant_id},
    )
    return list(rows.scalars())


async def _move(session: AsyncSession, context: JobContext, source_id: UUID) -> None:
    assert context.merchant_id is not None
    source = await lock_card(session, context.merchant_id, source_id)
    target = await lock_card_now(session, context.merchant_id, source_id)
    if target.id == source.id:
        return
    merchant = await get_merchant(session, context.merchant_id)
    now = context.clock.now()
    await move_credit(
        session,
        context.merchant_id,
        source_id=source_id,
        target_id=target.id,
        currency=merchant.currency,
        now=now,
    )
    raise_revision(target, now=now)
    await mark_changed(session, context.merchant_id, target.id)


async def _go_round(context: JobContext) -> None:
    async with context.session() as session:
        shops = await session.execute(
            text("SELECT id FROM merchant WHERE :module = ANY(modules_on) ORDER BY id"), {"module": FEATURE}
        )
        for merchant_id in shops.scalars().all():
            await enqueue(session, expire_due, merchant_id=merchant_id, key="due")


go_round = Periodic("cashback.go_round", every=ROUND, run=_go_round)
