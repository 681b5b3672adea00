"""Reads and writes of what was sent to Google; each function is a few statements of a short transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.google_wallet.models import GoogleClassRow, GoogleObjectRow

# Longer than a job may run: a lease ends by itself only where its worker died.
LEASE = timedelta(seconds=45)


@dataclass(frozen=True)
class SentObject:
    """What was last sent of a card's object, as plain values.

    is_sure: Google has exactly that. Where a worker died in the middle of it, nobody knows.
    """

    sent: Mapping[str, str]
    notified: list[str]
    wanted_at: datetime | None
    is_sure: bool = True


async def lease_object(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, object_id: str
) -> SentObject | None:
    """Take a card for this worker and return what was sent; None while another worker has it."""
    row = GoogleObjectRow
    left = (
        select(row.busy_until).where(row.merchant_id == merchant_id, row.pass_id == pass_id).with_for_update()
    )
    busy_until = (await session.execute(left)).scalar_one_or_none()
    taken = (
        update(row)
        .where(
            row.merchant_id == merchant_id,
            row.pass_id == pass_id,
            or_(row.busy_until.is_(None), row.busy_until < func.clock_timestamp()),
        )
        .values(busy_until=func.clock_timestamp() + LEASE)
        .returning(row.sent, row.notified, row.wanted_at, row.object_id)
        .execution_options(synchronize_session=False)
    )
    found = (await session.execute(taken)).one_or_none()
    if found is None:
        return None
    # Another issuer than last time knows nothing of the card yet.
    sent = found.sent if found.object_id == object_id else {}
    return SentObject(sent, list(found.notified), found.wanted_at, is_sure=busy_until is None)


async def expect_object(session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, object_id: str) -> None:
    """Note that a card is to be at Google; cards that nobody asked a pass for are never sent there."""
    made = insert(GoogleObjectRow).values(merchant_id=merchant_id, pass_id=pass_id, object_id=object_id)
    await session.execute(made.on_conflict_do_nothing())


async def release_object(session: AsyncSession, merchant_id: UUID, pass_id: UUID, **values: Any) -> None:
    """Give a card back, with what is known of it now."""
    row = GoogleObjectRow
    await session.execute(
        update(row)
        .where(row.merchant_id == merchant_id, row.pass_id == pass_id)
        .values(busy_until=None, **values)
        .execution_options(synchronize_session=False)
    )


async def write_object(session: AsyncSession, merchant_id: UUID, pass_id: UUID, **values: Any) -> None:
    """Note something about a card's object."""
    row = GoogleObjectRow
    await session.execute(
        update(row)
        .where(row.merchant_id == merchant_id, row.pass_id == pass_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def want_object(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, object_id: str, now: datetime
) -> None:
    """Note that the holder asked for the pass; the first time counts."""
    made = insert(GoogleObjectRow).values(
        merchant_id=merchant_id, pass_id=pass_id, object_id=object_id, wanted_at=now
    )
    await session.execute(
        made.on_conflict_do_update(
            index_elements=["merchant_id", "pass_id"],
            set_={"wanted_at": func.coalesce(GoogleObjectRow.wanted_at, made.excluded.wanted_at)},
        )
    )


async def find_object(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> GoogleObjectRow | None:
    """Return what is known of a card's object."""
    statement = select(GoogleObjectRow).where(
        GoogleObjectRow.merchant_id == merchant_id, GoogleObjectRow.pass_id == pass_id
    )
    found = await session.execute(statement.execution_options(populate_existing=True))
    return found.scalar_one_or_none()


async def find_sent_class(
    session: AsyncSession, merchant_id: UUID, program_id: UUID, *, class_id: str
) -> dict[str, str]:
    """Return what was last sent of a programme's class to this issuer."""
    row = await session.get(GoogleClassRow, (merchant_id, program_id))
    return dict(row.sent) if row and row.class_id == class_id else {}


async def write_class(
    session: AsyncSession,
    merchant_id: UUID,
    program_id: UUID,
    *,
    class_id: str,
    sent: Mapping[str, str],
    now: datetime,
) -> None:
    """Note what was sent of a programme's class."""
    made = insert(GoogleClassRow).values(
        merchant_id=merchant_id, program_id=program_id, class_id=class_id, sent=dict(sent), updated_at=now
    )
    await session.execute(
        made.on_conflict_do_update(
            index_elements=["merchant_id", "program_id"],
            set_={"class_id": made.excluded.class_id, "sent": made.excluded.sent, "updated_at": now},
        )
    )


async def note_pass_id(session: AsyncSession, merchant_id: UUID, pass_id: UUID, object_id: str) -> None:
    """Keep the object's id on the card, where the seed has it; raises no revision."""
    await session.execute(
        text(
            "UPDATE pass_object SET google_pass_id = :object_id"
            " WHERE merchant_id = :merchant_id AND id = :pass_id"
            " AND google_pass_id IS DISTINCT FROM :object_id"
        ),
        {"object_id": object_id, "merchant_id": merchant_id, "pass_id": pass_id},
    )
