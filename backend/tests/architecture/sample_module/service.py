"""Keeping the sentence, and putting it on the card."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import CardContext
from app.modules.wallets.public import PassField
from tests.architecture.sample_module.models import FridayNote


async def find_note(session: AsyncSession, merchant_id: UUID) -> str | None:
    """Return the merchant's sentence, or None."""
    return await session.scalar(select(FridayNote.text).where(FridayNote.merchant_id == merchant_id))


async def save_note(session: AsyncSession, merchant_id: UUID, *, text: str) -> None:
    """Keep the merchant's sentence."""
    statement = insert(FridayNote).values(merchant_id=merchant_id, text=text)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id"], set_={"text": statement.excluded.text}
        )
    )


async def note_field(context: CardContext) -> list[PassField]:
    """Return the sentence as a line on the card."""
    text = await find_note(context.session, context.merchant_id)
    return [PassField("friday", "Fridays", text, order=90)] if text else []
