"""What messaging knows of a customer: exported and erased on request."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.points import PersonalData
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.service import unseal_mail
from app.utils.security import Keyring

EXPORTED_MESSAGES_MAX = 1_000


async def export_messages(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Mapping[str, object]:
    """Return the mails that were written to a customer."""
    keyring = resources_of(session).get(Keyring)
    rows = await session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.merchant_id == merchant_id, OutboxMessage.customer_id == customer_id)
        .order_by(OutboxMessage.id.desc())
        .limit(EXPORTED_MESSAGES_MAX)
    )
    return {"messages": [_exported(keyring, row) for row in rows]}


def _exported(keyring: Keyring, row: OutboxMessage) -> dict[str, object]:
    mail = unseal_mail(keyring, row.id, row.content) if row.content is not None else None
    return {
        "kind": row.kind,
        "channel": row.channel,
        "recipient": row.recipient,
        "subject": mail.subject if mail else None,
        "text": mail.text if mail else None,
        "status": row.status,
        "created_at": row.created_at.isoformat(),
        "sent_at": row.sent_at.isoformat() if row.sent_at else None,
    }


async def erase_messages(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Blank what was written to a customer; what still waits is not sent."""
    await session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.merchant_id == merchant_id, OutboxMessage.customer_id == customer_id)
        .values(content=None, recipient=None, once_key=None)
    )


PERSONAL = PersonalData(tables=("outbox_message",), export=export_messages, erase=erase_messages)
