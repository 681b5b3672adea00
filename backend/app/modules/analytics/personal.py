"""What analytics contributes to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.analytics.counting.service import leave_pending
from app.modules.analytics.queries import Books, find_customer, find_progress

_CARDS = text("SELECT id FROM pass_object WHERE merchant_id = :merchant_id AND customer_id = :customer_id")


async def export_figures(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return what the customer's visits add up to."""
    progress = await find_progress(session, merchant_id)
    if progress.build is None:
        return {}
    row = await find_customer(Books(session, merchant_id, progress.build), customer_id)
    if row is None:
        return {}
    return {
        "figures": {
            "first_visit": row.first_at.isoformat() if row.first_at else None,
            "last_visit": row.last_at.isoformat() if row.last_at else None,
            "visits": row.visits,
            "amount_minor": row.amount_minor,
            "stamps": row.stamps,
            "points": row.points,
            "rewards": row.redemptions,
        }
    }


async def erase_figures(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Count the person's cards once more, as nobody's: totals stay, by an id whose person is blanked in place."""
    found = await session.scalars(_CARDS, {"merchant_id": merchant_id, "customer_id": customer_id})
    await leave_pending(session, [(merchant_id, pass_id) for pass_id in found])


PERSONAL = PersonalData(
    tables=("rollup_customer", "rollup_card", "rollup_pending"), export=export_figures, erase=erase_figures
)
