"""Reads the outbox for the demo's mailbox; the content stays sealed in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.modules.messaging.layout import Brand, find_brand, render_html
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import MARKETING, Paragraph, split_text
from app.modules.messaging.service import Mail, first_unsubscribe, unseal_mail
from app.utils.security import Keyring

MESSAGES_SHOWN_MAX = 100
PREVIEW_LENGTH = 90


@dataclass(frozen=True, slots=True)
class MailboxMessage:
    """A mail as the demo shows it."""

    id: UUID
    recipient: str
    subject: str
    preview: str
    locale: str
    status: str
    at: datetime
    brand: Brand
    action_label: str
    paragraphs: list[Paragraph]
    mail: Mail
    purpose: str
    merchant_id: UUID
    customer_id: UUID | None


async def list_messages(session: AsyncSession) -> list[MailboxMessage]:
    """Return the newest mails of all merchants, newest first; the session is the system's."""
    rows = await session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.content.is_not(None), OutboxMessage.recipient.is_not(None))
        .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
        .limit(MESSAGES_SHOWN_MAX)
    )
    return [await _shown(session, row) for row in rows]


async def find_message(session: AsyncSession, message_id: UUID) -> MailboxMessage | None:
    """Return one mail, or None where there is none to show."""
    row = (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one_or_none()
    return await _shown(session, row) if row is not None and row.content is not None else None


async def find_html(session: AsyncSession, message_id: UUID) -> str | None:
    """Return a mail's HTML as its reader gets it, or None."""
    message = await find_message(session, message_id)
    if message is None:
        return None
    unsubscribe = None
    if message.purpose == MARKETING and message.customer_id is not None:
        unsubscribe = await first_unsubscribe(session, message.merchant_id, message.customer_id)
    return render_html(message.mail, message.brand, locale=message.locale, unsubscribe=unsubscribe)


async def _shown(session: AsyncSession, row: OutboxMessage) -> MailboxMessage:
    assert row.content is not None
    mail: Mail = unseal_mail(resources_of(session).get(Keyring), row.id, row.content)
    return MailboxMessage(
        id=row.id,
        recipient=row.recipient or "",
        subject=mail.subject,
        preview=" ".join(mail.text.split())[:PREVIEW_LENGTH],
        locale=row.locale,
        status=row.status,
        at=row.created_at,
        brand=await find_brand(session, row.merchant_id),
        action_label=mail.action_label,
        paragraphs=split_text(mail.text),
        mail=mail,
        purpose=row.purpose,
        merchant_id=row.merchant_id,
        customer_id=row.customer_id,
    )
