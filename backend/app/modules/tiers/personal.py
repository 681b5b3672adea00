"""What levels contribute to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg
from app.kernel.points import PersonalData, Purpose
from app.modules.cards.public import PassObject
from app.modules.tiers.models import TierLevel, TierStanding
from app.modules.tiers.queries import list_moves


async def _cards(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[UUID]:
    """Return all cards of a person, those that are erased or joined to others included."""
    rows = await session.scalars(
        select(PassObject.id).where(
            PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
        )
    )
    return list(rows)


async def export_levels(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return the levels of the customer's cards and how they came about."""
    ids = await _cards(session, merchant_id, customer_id)
    rows = await session.execute(
        select(TierLevel.id, TierLevel.name).where(TierLevel.merchant_id == merchant_id)
    )
    names: dict[UUID | None, str | None] = {row.id: row.name for row in rows}
    standings = await session.scalars(
        select(TierStanding).where(TierStanding.merchant_id == merchant_id, TierStanding.pass_id.in_(ids))
    )
    held = [
        {
            "pass_id": str(row.pass_id),
            "level": names.get(row.level_id),
            "since": row.since.isoformat() if row.since else None,
            "held_until": row.held_until.isoformat() if row.held_until else None,
        }
        for row in standings
    ]
    moves = [
        {
            "on": move.on_day.isoformat(),
            "before": names.get(move.before_id),
            "after": names.get(move.after_id),
            "why": move.why,
        }
        for move in await list_moves(session, merchant_id, ids)
    ]
    return {"levels": held, "level_moves": moves} if held else {}


async def erase_levels(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Forget where the customer's cards stand; moves keep a card's id, which leads to nobody."""
    ids = await _cards(session, merchant_id, customer_id)
    await session.execute(
        delete(TierStanding)
        .where(TierStanding.merchant_id == merchant_id, TierStanding.pass_id.in_(ids))
        .execution_options(synchronize_session=False)
    )


PERSONAL = PersonalData(
    tables=("tier_standing", "tier_move"),
    export=export_levels,
    erase=erase_levels,
    purpose=Purpose(msg("Levels for those who come often")),
)
