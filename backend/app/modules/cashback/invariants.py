"""What must always be true of credit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.ledger import Violation

# Both sides are asked: a card with entries and no account is as wrong as the other way round.
BALANCES = text(
    """
    SELECT coalesce(account.pass_id, entry.pass_id) AS pass_id,
           coalesce(account.balance_minor, 0) AS balance, coalesce(entry.total, 0) AS entries
    FROM credit_account account
    FULL JOIN (SELECT pass_id, sum(amount_minor) AS total FROM credit_entry GROUP BY pass_id) entry
      ON entry.pass_id = account.pass_id
    WHERE coalesce(account.balance_minor, 0) <> coalesce(entry.total, 0)
    """
)
LOTS = text(
    """
    SELECT coalesce(account.pass_id, lot.pass_id) AS pass_id,
           coalesce(account.balance_minor, 0) AS balance, coalesce(lot.held, 0) AS held
    FROM credit_account account
    FULL JOIN (SELECT pass_id, sum(remaining_minor) AS held FROM credit_lot GROUP BY pass_id) lot
      ON lot.pass_id = account.pass_id
    WHERE coalesce(lot.held, 0) <> greatest(0, coalesce(account.balance_minor, 0))
    """
)


async def credit_equals_entries(session: AsyncSession) -> Sequence[Violation]:
    """Find cards whose credit differs from the sum of its entries."""
    merchant_id = session.info["merchant_id"]
    rows = await session.execute(BALANCES)
    return [
        Violation("credit", merchant_id, row.pass_id, f"balance {row.balance}, entries {row.entries}")
        for row in rows
    ]


async def lots_hold_the_credit(session: AsyncSession) -> Sequence[Violation]:
    """Find cards whose lots do not hold exactly what can be spent (nothing, while there is a debt)."""
    merchant_id = session.info["merchant_id"]
    rows = await session.execute(LOTS)
    return [
        Violation("credit_lots", merchant_id, row.pass_id, f"balance {row.balance}, lots {row.held}")
        for row in rows
    ]
