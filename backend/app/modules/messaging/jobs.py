"""Sends what waits in the outbox, and blanks what has been there long enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from app.config import Settings
from app.db.session import system_scope
from app.kernel.jobs import Backoff, JobContext, Periodic, TryAgain, job
from app.modules.messaging.bounces.service import note_bounce
from app.modules.messaging.composing import compose
from app.modules.messaging.gates import note_server
from app.modules.messaging.layout import find_brand
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import CONTENT_KEPT_FOR, MARKETING, is_dead_address
from app.modules.messaging.service import (
    ClaimedMessage,
    claim_message,
    find_unsubscribe,
    settle_delayed,
    settle_failed,
    settle_sent,
)
from app.modules.messaging.smtp import MailDelayed, MailRefused, MailTransport

# The message itself says when trying ends (STOP_TRYING_AFTER); the queue must not give up before it does.
RETRY = Backoff(first=timedelta(seconds=10), cap=timedelta(minutes=2), give_up_after=timedelta(days=7))
BLANK_MERCHANTS_MAX = 10_000


@job("messaging.send_message", retry=RETRY, timeout=timedelta(seconds=60), priority=5)
async def send_message(context: JobContext, *, message_id: UUID) -> None:
    """Send a message that its reader waits for."""
    await send_one(context, message_id)


@job("messaging.send_marketing", retry=RETRY, timeout=timedelta(seconds=60), priority=-5)
async def send_marketing(context: JobContext, *, message_id: UUID) -> None:
    """Send a message that may wait behind everything else."""
    await send_one(context, message_id)


async def send_one(context: JobContext, message_id: UUID) -> None:
    """Send one message: claim it in a transaction, talk to the server outside, settle it in another."""
    assert context.merchant_id is not None
    transport: MailTransport = context.resources.get(MailTransport)  # type: ignore[type-abstract]
    unsubscribe = None
    async with context.session() as session:
        claimed = await claim_message(
            session,
            context.merchant_id,
            message_id=message_id,
            now=context.clock.now(),
            server=transport.server,
        )
        brand = await find_brand(session, context.merchant_id)
        if isinstance(claimed, ClaimedMessage) and claimed.purpose == MARKETING:
            unsubscribe = await find_unsubscribe(session, claimed)
    if claimed is None:
        return
    if isinstance(claimed, datetime):
        raise TryAgain("it is not its turn", after=claimed - context.clock.now())
    try:
        ready = compose(claimed, brand, settings=context.resources.get(Settings), unsubscribe=unsubscribe)
        await transport.send(ready.content, sender=ready.sender, recipient=ready.recipient)
    except MailRefused as refused:
        await _settle_refused(context, claimed, refused, server=transport.server)
    except MailDelayed as delayed:
        await _settle_delayed(context, claimed, delayed, server=transport.server)
    else:
        async with context.session() as session:
            await settle_sent(session, claimed.merchant_id, message_id=claimed.id, now=context.clock.now())
            await note_server(session, transport.server, worked=True, now=context.clock.now())


async def _settle_refused(
    context: JobContext, message: ClaimedMessage, refused: MailRefused, *, server: str
) -> None:
    now = context.clock.now()
    async with context.session() as session:
        await settle_failed(session, message.merchant_id, message_id=message.id, code=refused.code)
        if is_dead_address(refused.status):
            await note_bounce(session, message.merchant_id, message.recipient, is_hard=True, now=now)
        await note_server(session, server, worked=True, now=now)


async def _settle_delayed(
    context: JobContext, message: ClaimedMessage, delayed: MailDelayed, *, server: str
) -> None:
    now = context.clock.now()
    async with context.session() as session:
        goes_on = await settle_delayed(
            session, message.merchant_id, message=message, code=delayed.code, now=now
        )
        await note_server(session, server, worked=not delayed.about_server, now=now)
    if goes_on:
        raise TryAgain(f"the mail server said {delayed.code}") from delayed


async def blank_old_content(context: JobContext) -> None:
    """Remove what was written and to whom from messages older than CONTENT_KEPT_FOR; the fact stays."""
    before = context.clock.now() - CONTENT_KEPT_FOR
    async with system_scope(context.database) as session:
        merchants = await session.scalars(
            select(OutboxMessage.merchant_id)
            .where(OutboxMessage.created_at < before, OutboxMessage.recipient.is_not(None))
            .distinct()
            .limit(BLANK_MERCHANTS_MAX)
        )
        found = list(merchants)
    for merchant_id in found:
        async with context.tenant(merchant_id) as session:
            await session.execute(
                update(OutboxMessage)
                .where(
                    OutboxMessage.merchant_id == merchant_id,
                    OutboxMessage.created_at < before,
                    OutboxMessage.recipient.is_not(None),
                )
                .values(content=None, recipient=None)
            )


retention = Periodic("messaging.blank_old_content", every=timedelta(hours=6), run=blank_old_content)
