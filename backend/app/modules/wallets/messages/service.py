"""Saying something on a card, once; taking it off when its time is over; and what Google has been told of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext, enqueue, job
from app.modules.cards.public import PassObject
from app.modules.wallets.marks import mark_changed, raise_revisions
from app.modules.wallets.messages.models import WalletMessage
from app.modules.wallets.messages.rules import (
    BODY_LENGTH_MAX,
    HEADER_LENGTH_MAX,
    MESSAGE_AGE,
    MESSAGES_SHOWN_MAX,
    ONCE_KEPT,
    ONCE_KEY_LENGTH_MAX,
    CardMessage,
    clean_text,
)
from app.utils.id_generator import new_id

_Row = WalletMessage


async def send_wallet_message(  # noqa: PLR0913, PLR0917 (the words in their order, as on the pass)
    session: AsyncSession,
    merchant_id: UUID,
    pass_id: UUID,
    header: str,
    body: str,
    *,
    once_key: str,
    now: datetime,
) -> bool:
    """Say something on a card for a week: Apple pass, Google object and web card, from the refresh job.

    Once for each once_key and card. True where it will be shown; False for a repeat, and for a card that is
    unknown or not active. The text may name the holder. Google announces at most three things a day on a
    pass; beyond that the message arrives without a sound.
    """
    assert 0 < len(once_key) <= ONCE_KEY_LENGTH_MAX
    header, body = clean_text(header, HEADER_LENGTH_MAX), clean_text(body, BODY_LENGTH_MAX)
    assert header, "a message has a header"
    assert body, "a message says something"
    if not await _lock_active(session, merchant_id, pass_id):
        return False
    message_id = new_id()
    made = insert(_Row).values(
        merchant_id=merchant_id,
        id=message_id,
        pass_id=pass_id,
        once_key=once_key,
        header=header,
        body=body,
        created_at=now,
        expires_at=now + MESSAGE_AGE,
    )
    fresh = await session.execute(made.on_conflict_do_nothing().returning(_Row.id))
    if fresh.one_or_none() is None:
        return False
    await _show_anew(session, merchant_id, pass_id)
    # A moment later, so that the job finds the message's time over.
    await enqueue(
        session,
        end_message,
        merchant_id=merchant_id,
        key=str(message_id),
        run_at=now + MESSAGE_AGE,
        pass_id=pass_id,
    )
    return True


async def _lock_active(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> bool:
    found = await session.execute(
        select(PassObject.status)
        .where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
        .with_for_update(key_share=True)
    )
    return found.scalar_one_or_none() == "active"


async def _show_anew(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
    await raise_revisions(session, merchant_id, [pass_id])
    await mark_changed(session, merchant_id, pass_id)


@job("wallets.end_message")
async def end_message(context: JobContext, *, pass_id: UUID) -> None:
    """Take what is over off a card, and forget what was said long ago."""
    assert context.merchant_id is not None
    now = context.clock.now()
    async with context.session() as session:
        if await _lock_active(session, context.merchant_id, pass_id):
            await _show_anew(session, context.merchant_id, pass_id)
        await session.execute(
            delete(_Row).where(
                _Row.merchant_id == context.merchant_id,
                _Row.pass_id == pass_id,
                _Row.expires_at < now - ONCE_KEPT,
            )
        )


async def list_card_messages(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime
) -> tuple[CardMessage, ...]:
    """Return what a card says now, newest first."""
    statement = (
        select(_Row)
        .where(_Row.merchant_id == merchant_id, _Row.pass_id == pass_id, _Row.expires_at > now)
        .order_by(_Row.created_at.desc(), _Row.id.desc())
        .limit(MESSAGES_SHOWN_MAX)
    )
    return tuple(_message(row) for row in await session.scalars(statement))


async def list_google_messages(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, state: str, now: datetime
) -> tuple[CardMessage, ...]:
    """Return what Google has not been told for certain, oldest first. state: "waiting" or "trying"."""
    statement = (
        select(_Row)
        .where(
            _Row.merchant_id == merchant_id,
            _Row.pass_id == pass_id,
            _Row.google == state,
            _Row.expires_at > now,
        )
        .order_by(_Row.created_at, _Row.id)
    )
    return tuple(_message(row) for row in await session.scalars(statement))


async def note_google(
    session: AsyncSession,
    merchant_id: UUID,
    messages: Sequence[CardMessage],
    state: Literal["waiting", "trying", "sent"],
) -> None:
    """Note how far messages got on their way to Google."""
    await session.execute(
        update(_Row)
        .where(_Row.merchant_id == merchant_id, _Row.id.in_([message.id for message in messages]))
        .values(google=state)
        .execution_options(synchronize_session=False)
    )


def _message(row: WalletMessage) -> CardMessage:
    return CardMessage(row.id, row.header, row.body, row.created_at, row.expires_at)
