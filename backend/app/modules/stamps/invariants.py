"""What must always be true of stamps."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.ledger import Violation, check_balances


async def stamps_equal_entries(session: AsyncSession) -> Sequence[Violation]:
    """Find cards whose stamp_count differs from the sum of their entries."""
    merchant_id = session.info["merchant_id"]
    return await check_balances(
        session,
        merchant_id,
        invariant="stamps",
        ledger="stamp_event",
        amount="stamps_added",
        total="stamp_count",
    )
