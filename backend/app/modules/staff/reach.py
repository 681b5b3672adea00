"""Who of the team a signed-in member sees and may change: those of the stores they are limited to."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import Forbidden
from app.kernel.permissions import Principal
from app.modules.staff.models import StaffMember, StaffPin


def _pins() -> Select[UUID]:
    return select(StaffPin.store_id).where(
        StaffPin.merchant_id == StaffMember.merchant_id, StaffPin.staff_id == StaffMember.id
    )


def team_in_reach(session: AsyncSession) -> list[ColumnElement[bool]]:
    """Return the condition on StaffMember that leaves out who works only in stores beyond the signed-in one's reach.

    Who holds no PIN yet works nowhere, and is everybody's to give one.
    """
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    if not limited_to:
        return []
    return [or_(_pins().where(StaffPin.store_id.in_(limited_to)).exists(), ~_pins().exists())]


async def check_reach(session: AsyncSession, by: Principal, member: StaffMember) -> None:
    """Raise Forbidden where somebody limited to some stores would change a person who works in another one, too."""
    if not by.store_ids:
        return
    beyond = await session.execute(
        select(StaffPin.store_id)
        .where(
            StaffPin.merchant_id == member.merchant_id,
            StaffPin.staff_id == member.id,
            StaffPin.store_id.not_in(by.store_ids),
        )
        .limit(1)
    )
    if beyond.first() is not None:
        raise Forbidden


async def find_staff_names(session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of these members, of those who left as well."""
    if not ids:
        return {}
    rows = await session.execute(
        select(StaffMember.id, StaffMember.name).where(
            StaffMember.merchant_id == merchant_id, StaffMember.id.in_(set(ids))
        )
    )
    return {row.id: row.name for row in rows}


async def list_staff_names(session: AsyncSession, merchant_id: UUID) -> dict[UUID, str]:
    """Return the names of everybody who works for the merchant, in order."""
    rows = await session.execute(
        select(StaffMember.id, StaffMember.name)
        .where(
            StaffMember.merchant_id == merchant_id,
            StaffMember.left_at.is_(None),
            *team_in_reach(session),
        )
        .order_by(func.lower(StaffMember.name), StaffMember.id)
    )
    return {row.id: row.name for row in rows}
