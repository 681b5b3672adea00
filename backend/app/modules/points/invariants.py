"""What must always be true of points."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.ledger import Violation, check_balances

LOTS = text(
    """
    SELECT card.id, card.points_balance, coalesce(sum(lot.remaining), 0) AS held
    FROM pass_object card
    LEFT JOIN points_lot lot ON lot.merchant_id = card.merchant_id AND lot.pass_id = card.id
    GROUP BY card.merchant_id, card.id, card.points_balance
    HAVING coalesce(sum(lot.remaining), 0) <> greatest(0, card.points_balance)
    """
)


async def points_equal_entries(session: AsyncSession) -> Sequence[Violation]:
    """Find cards whose points_balance differs from the sum of their entries."""
    merchant_id = session.info["merchant_id"]
    return await check_balances(
        session,
        merchant_id,
        invariant="points",
        ledger="points_event",
        amount="points_added",
        total="points_balance",
    )


async def lots_hold_the_balance(session: AsyncSession) -> Sequence[Violation]:
    """Find cards whose lots do not hold exactly what can be spent (nothing, while there is a debt)."""
    merchant_id = session.info["merchant_id"]
    rows = await session.execute(LOTS)
    return [
        Violation("points_lots", merchant_id, row.id, f"balance {row.points_balance}, lots {row.held}")
        for row in rows
    ]
