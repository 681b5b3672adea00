"""Sends what waits in the outbox, and blanks what has been there long enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime, parseaddr
from uuid import UUID

from sqlalchemy import select, update

from app.config import Settings
from app.db.session import system_scope
from app.kernel.jobs import Backoff, JobContext, Periodic, TryAgain, job
from app.modules.messaging.layout import Brand, find_brand, render_html
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import CONTENT_KEPT_FOR, header_line
from app.modules.messaging.rules import message_id as make_message_id
from app.modules.messaging.service import (
    ClaimedMessage,
    claim_message,
    settle_delayed,
    settle_failed,
    settle_sent,
)
from app.modules.messaging.smtp import MailDelayed, MailRefused, MailTransport, build_message, to_address

# The message itself says when trying ends (STOP_TRYING_AFTER); the queue must not give up before it does.
RETRY = Backoff(first=timedelta(seconds=10), cap=timedelta(minutes=2), give_up_after=timedelta(days=7))
BLANK_MERCHANTS_MAX = 10_000


@job("messaging.send_message", retry=RETRY, timeout=timedelta(seconds=60), priority=5)
async def send_message(context: JobContext, *, message_id: UUID) -> None:
    """Send one message: claim it in a transaction, talk to the server outside, settle it in another."""
    assert context.merchant_id is not None
    async with context.session() as session:
        claimed = await claim_message(
            session, context.merchant_id, message_id=message_id, now=context.clock.now()
        )
        brand = await find_brand(session, context.merchant_id)
    if claimed is None:
        return
    if isinstance(claimed, datetime):
        raise TryAgain("another worker is sending it", after=claimed - context.clock.now())
    try:
        await _send(context, claimed, brand)
    except MailRefused as refused:
        async with context.session() as session:
            await settle_failed(session, claimed.merchant_id, message_id=claimed.id, code=refused.code)
    except MailDelayed as delayed:
        async with context.session() as session:
            goes_on = await settle_delayed(
                session, claimed.merchant_id, message=claimed, code=delayed.code, now=context.clock.now()
            )
        if goes_on:
            raise TryAgain(f"the mail server said {delayed.code}") from delayed
    else:
        async with context.session() as session:
            await settle_sent(session, claimed.merchant_id, message_id=claimed.id, now=context.clock.now())


async def _send(context: JobContext, message: ClaimedMessage, brand: Brand) -> None:
    transport: MailTransport = context.resources.get(MailTransport)  # type: ignore[type-abstract]
    mail_from = context.resources.get(Settings).mail_from
    display_name = header_line(brand.name if brand.is_merchant else parseaddr(mail_from)[0])
    sender = to_address(mail_from, name=display_name)
    try:
        recipient = to_address(message.recipient)
    except ValueError as error:
        raise MailRefused("address") from error
    mail = build_message(
        sender=sender,
        recipient=recipient,
        subject=message.mail.subject,
        text=message.mail.text,
        html=render_html(message.mail, brand, locale=message.locale),
        message_id=make_message_id(str(message.id), mail_from),
        locale=message.locale,
    )
    mail["Date"] = format_datetime(message.created_at)
    await transport.send(mail, sender=sender.addr_spec, recipient=recipient.addr_spec)


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
