"""Reads the outbox for the demo's mailbox; the content stays sealed in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.modules.messaging.layout import Brand, find_brand
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import Paragraph, split_text
from app.modules.messaging.service import Mail, unseal_mail
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
    )
