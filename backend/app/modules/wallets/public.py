"""What other modules use of wallets: the refresh mark, the neutral view of a card, and what adds to it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import false
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.models import CardRefresh

# The same as mark_changed, for callers that write all at once. On a mark that is there already, DO UPDATE
# WHERE false writes nothing and locks it: the poller cannot take it before the change is committed. With DO
# NOTHING an earlier change's mark could be taken, and the card be read, just before this change is there.
MARK_SQL = """INSERT INTO card_refresh (merchant_id, pass_id) VALUES ($1, $2)
ON CONFLICT (merchant_id, pass_id) DO UPDATE SET marked_at = card_refresh.marked_at WHERE false"""


async def mark_changed(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
    """Note in the caller's transaction that a card's outputs are out of date; one a card, however often."""
    statement = insert(CardRefresh).values(merchant_id=merchant_id, pass_id=pass_id)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id", "pass_id"],
            set_={"marked_at": CardRefresh.marked_at},
            where=false(),
        )
    )
