"""Reads of levels, of where cards stand, and of the visits that count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.public import PassObject
from app.modules.rewards.public import VOID_WINDOW
from app.modules.tiers.models import TierLevel, TierMove, TierStanding
from app.modules.tiers.rules import Entry, Level, Standing
from app.modules.visits.public import Visit

MERGES_DEEP = 5


async def list_levels(session: AsyncSession, merchant_id: UUID) -> list[TierLevel]:
    """Return the levels from the lowest to the highest, removed ones that cards still hold included."""
    held = select(TierStanding.level_id).where(TierStanding.merchant_id == merchant_id)
    rows = await session.scalars(
        select(TierLevel)
        .where(TierLevel.merchant_id == merchant_id, TierLevel.removed_at.is_(None) | TierLevel.id.in_(held))
        .order_by(TierLevel.threshold, TierLevel.id)
    )
    return list(rows)


def level_of(row: TierLevel) -> Level:
    """Return a row as the rules know it."""
    return Level(str(row.id), row.name, row.threshold, row.multiplier, removed=row.removed_at is not None)


def standing_of(row: TierStanding) -> Standing:
    """Return a row as the rules know it."""
    level_id = str(row.level_id) if row.level_id else None
    return Standing(row.seen_on, level_id, row.since, row.period_end, row.held_until)


async def find_standing(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> TierStanding | None:
    """Return where a card stands, or None before it was looked at."""
    return await session.get(TierStanding, (merchant_id, pass_id), populate_existing=True)


@dataclass(frozen=True, slots=True)
class Counted:
    """A visit that counts or counted. is_mistake: taken back within the minutes in which a cashier may."""

    at: datetime
    entry: Entry
    voided_at: datetime | None
    is_mistake: bool


async def list_counted(
    session: AsyncSession,
    merchant_id: UUID,
    pass_ids: Sequence[UUID],
    *,
    basis: str,
    zone: str,
    since: date,
) -> dict[UUID, list[Counted]]:
    """Return the visits of cards, and of those joined to them, from a day of the shop's calendar on."""
    owner = await _with_merged(session, merchant_id, pass_ids)
    begin = datetime.combine(max(since, date(2000, 1, 1)), time(), ZoneInfo(zone))
    amount = {"points": Visit.points, "spend": func.coalesce(Visit.amount_minor, 0)}.get(basis)
    rows = await session.execute(
        select(
            Visit.pass_id,
            Visit.at,
            Visit.voided_at,
            (amount if amount is not None else func.abs(1)).label("n"),
        ).where(Visit.merchant_id == merchant_id, Visit.pass_id.in_(list(owner)), Visit.at >= begin)
    )
    found: dict[UUID, list[Counted]] = defaultdict(list)
    local = ZoneInfo(zone)
    for row in rows:
        gone = row.voided_at.astimezone(local).date() if row.voided_at else None
        entry = Entry(row.at.astimezone(local).date(), int(row.n), gone)
        is_mistake = row.voided_at is not None and row.voided_at - row.at <= VOID_WINDOW
        found[owner[row.pass_id]].append(Counted(row.at, entry, row.voided_at, is_mistake))
    return found


async def _with_merged(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID]
) -> dict[UUID, UUID]:
    """Return which of the cards each visit's card belongs to: itself, or the one it was joined to."""
    owner = {pass_id: pass_id for pass_id in pass_ids}
    newest = list(pass_ids)
    for _turn in range(MERGES_DEEP):
        rows = await session.execute(
            select(PassObject.id, PassObject.merged_into).where(
                PassObject.merchant_id == merchant_id, PassObject.merged_into.in_(newest)
            )
        )
        joined = {
            pass_id: owner[target] for pass_id, target in rows if target is not None and pass_id not in owner
        }
        if not joined:
            break
        owner |= joined
        newest = list(joined)
    return owner


async def count_members(session: AsyncSession, merchant_id: UUID) -> dict[UUID, int]:
    """Return how many cards in use hold each level."""
    rows = await session.execute(
        select(TierStanding.level_id, func.count())
        .join(
            PassObject,
            (PassObject.merchant_id == TierStanding.merchant_id) & (PassObject.id == TierStanding.pass_id),
        )
        .where(
            TierStanding.merchant_id == merchant_id,
            TierStanding.level_id.is_not(None),
            PassObject.status.in_(("active", "blocked")),
        )
        .group_by(TierStanding.level_id)
    )
    return {level_id: count for level_id, count in rows if level_id is not None}


async def list_moves(session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID]) -> list[TierMove]:
    """Return the moves of cards, oldest first."""
    rows = await session.scalars(
        select(TierMove)
        .where(TierMove.merchant_id == merchant_id, TierMove.pass_id.in_(pass_ids))
        .order_by(TierMove.id)
    )
    return list(rows)
