"""The outbox's use cases: queue, claim, settle, read back."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.jobs import enqueue
from app.kernel.sealing import SealedColumn
from app.modules.messaging.gates import has_room, wait_until, why_not
from app.modules.messaging.hooks import UNSUBSCRIBE, Unsubscribe
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import (
    HTML_LENGTH_MAX,
    SERVICE,
    TEXT_LENGTH_MAX,
    claim_free_at,
    header_line,
    is_too_old,
)
from app.utils.id_generator import new_id
from app.utils.security import Keyring
from app.utils.validators import clean_email, clean_text


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sealed: subject and text; html only where a caller made its own; the word on the button."""

    subject: str
    text: str
    html: str | None = None
    action_label: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this worker may send now. due_at: from when on it could be sent."""

    id: UUID
    merchant_id: UUID
    recipient: str
    kind: str
    locale: str
    mail: Mail
    created_at: datetime
    due_at: datetime
    purpose: str = SERVICE
    customer_id: UUID | None = None


def messaging_ready(settings: Settings) -> bool:
    """Tell whether mail reaches people: an SMTP server is set, or the demo mailbox takes it."""
    return bool(settings.smtp_url) or settings.demo


def _context(message_id: UUID) -> str:
    return f"outbox_message:{message_id}"


SEALED_MAILS = SealedColumn(OutboxMessage.content, lambda row: _context(row.id))


def seal_mail(keyring: Keyring, message_id: UUID, mail: Mail) -> bytes:
    """Encrypt what a message says, bound to its row."""
    plain = [mail.subject, mail.text, mail.html, mail.action_label]
    return keyring.seal(json.dumps(plain).encode(), context=_context(message_id))


def unseal_mail(keyring: Keyring, message_id: UUID, sealed: bytes) -> Mail:
    """Decrypt what seal_mail made; raises ValueError for anything else."""
    return Mail(*json.loads(keyring.unseal(sealed, context=_context(message_id))))


async def queue_mail(  # noqa: PLR0913 (the parts of a mail; every one is named at the call)
    session: AsyncSession,
    *,
    merchant_id: UUID,
    recipient: str,
    kind: str,
    locale: str,
    subject: str,
    text: str,
    now: datetime,
    html: str | None = None,
    action_label: str = "",
    customer_id: UUID | None = None,
    once_key: str | None = None,
    purpose: str = SERVICE,
) -> UUID | None:
    """Write a mail to the outbox and queue its sending, both in the caller's transaction.

    purpose: SERVICE for what its reader asked for; MARKETING needs a customer_id, and is stopped in the moment of
    sending where consent, a confirmed address or a way to unsubscribe are missing.

    text: plain paragraphs; an address alone in its paragraph becomes a button that says action_label.
    once_key: one message once a merchant; None is returned where it was queued before.
    Raises ValueError for a recipient that is no address. Without SMTP the row is kept as suppressed.
    """
    # The job calls the use cases below; importing it here breaks the circle.
    from app.modules.messaging.jobs import send_marketing, send_message

    assert purpose == SERVICE or customer_id is not None, "marketing mail is to somebody who agreed"
    assert len(html or "") <= HTML_LENGTH_MAX, "a mail of that size is a mistake"
    message_id = new_id()
    resources = resources_of(session)
    ready = messaging_ready(resources.get(Settings))
    mail = Mail(header_line(subject), clean_text(text)[:TEXT_LENGTH_MAX], html, header_line(action_label))
    statement = insert(OutboxMessage).values(
        merchant_id=merchant_id,
        id=message_id,
        customer_id=customer_id,
        kind=kind,
        purpose=purpose,
        recipient=clean_email(recipient),
        locale=locale,
        content=seal_mail(resources.get(Keyring), message_id, mail) if ready else None,
        once_key=once_key,
        status="waiting" if ready else "suppressed",
        failure=None if ready else "no_transport",
        created_at=now,
    )
    once = statement.on_conflict_do_nothing(index_elements=["merchant_id", "once_key"])
    added = await session.execute(once.returning(OutboxMessage.id))
    if added.one_or_none() is None:
        return None
    if ready:
        key = str(message_id)
        send = send_message if purpose == SERVICE else send_marketing
        await enqueue(session, send, merchant_id=merchant_id, key=key, message_id=message_id)
    return message_id


async def count_mails(
    session: AsyncSession, merchant_id: UUID, *, recipient: str, kinds: Collection[str], since: datetime
) -> int:
    """Return how many mails of these kinds were written to an address; whoever it belongs to by now."""
    statement = (
        select(func.count())
        .select_from(OutboxMessage)
        .where(
            OutboxMessage.merchant_id == merchant_id,
            OutboxMessage.created_at > since,
            OutboxMessage.kind.in_(kinds),
            func.lower(OutboxMessage.recipient) == recipient.lower(),
        )
    )
    return int(await session.scalar(statement) or 0)


async def claim_message(
    session: AsyncSession, merchant_id: UUID, *, message_id: UUID, now: datetime, server: str = ""
) -> ClaimedMessage | datetime | None:
    """Take a message for sending; a moment: to be asked again then; None: nothing to do.

    Whether it may leave is asked here, in the transaction that takes it. server: whose pace counts, if any.
    """
    row = (
        await session.execute(
            select(OutboxMessage)
            .where(OutboxMessage.merchant_id == merchant_id, OutboxMessage.id == message_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None or row.status not in {"waiting", "sending"}:
        return None
    if row.content is None or row.recipient is None:
        return None
    if row.status == "sending" and (free_at := claim_free_at(row.claimed_at, now=now)):
        return free_at
    if reason := await why_not(session, row, now=now):
        row.status, row.failure, row.content = "suppressed", reason, None
        return None
    if turn := await wait_until(session, row, server=server, now=now):
        return turn
    if not await has_room(session, row, now=now):
        row.status, row.failure, row.content = "suppressed", "plan_limit", None
        return None
    row.status, row.claimed_at, row.attempts = "sending", now, row.attempts + 1
    mail = unseal_mail(resources_of(session).get(Keyring), row.id, row.content)
    return ClaimedMessage(
        id=row.id,
        merchant_id=merchant_id,
        recipient=row.recipient,
        kind=row.kind,
        locale=row.locale,
        mail=mail,
        created_at=row.created_at,
        due_at=max(row.created_at, row.not_before or row.created_at),
        purpose=row.purpose,
        customer_id=row.customer_id,
    )


async def find_unsubscribe(session: AsyncSession, message: ClaimedMessage) -> Unsubscribe | None:
    """Return how the reader of a message ends such mails, from the first module that offers it."""
    assert message.customer_id is not None
    return await first_unsubscribe(session, message.merchant_id, message.customer_id)


async def first_unsubscribe(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Unsubscribe | None:
    """Return how a customer ends marketing mail, from the first module that offers it."""
    for _name, offer in UNSUBSCRIBE.items():
        return await offer(session, merchant_id, customer_id)
    return None


async def settle_sent(session: AsyncSession, merchant_id: UUID, *, message_id: UUID, now: datetime) -> None:
    """Write down that the server has taken a message."""
    await _settle(session, merchant_id, message_id, status="sent", failure=None, sent_at=now)


async def settle_failed(session: AsyncSession, merchant_id: UUID, *, message_id: UUID, code: str) -> None:
    """Write down that a message is given up; only the code is kept, for servers quote addresses."""
    await _settle(session, merchant_id, message_id, status="failed", failure=code)


async def settle_delayed(
    session: AsyncSession, merchant_id: UUID, *, message: ClaimedMessage, code: str, now: datetime
) -> bool:
    """Give a message back for another try; False where it has become too old and is given up."""
    if is_too_old(message.due_at, now=now):
        await settle_failed(session, merchant_id, message_id=message.id, code="too_old")
        return False
    await _settle(session, merchant_id, message.id, status="waiting", failure=code, claimed_at=None)
    return True


async def _settle(session: AsyncSession, merchant_id: UUID, message_id: UUID, **values: object) -> None:
    await session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.merchant_id == merchant_id,
            OutboxMessage.id == message_id,
            OutboxMessage.status == "sending",
        )
        .values(**values)
    )
