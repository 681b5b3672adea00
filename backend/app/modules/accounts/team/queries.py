"""The team as its page lists it, and the stores and people of the till that a member may be tied to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import column, func, literal, or_, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.accounts.members import get_owner
from app.modules.accounts.models import Member, MemberInvitation, MerchantSession

TEAM_LISTED_MAX = 500
CHOICES_MAX = 1_000

# Read as plain tables: stores and staff come after accounts in the order of modules.
_STORE = table("store", column("merchant_id"), column("id"), column("name"), column("closed_at"))
_STAFF = table("staff_member", column("merchant_id"), column("id"), column("name"), column("left_at"))


@dataclass(frozen=True, slots=True)
class TeamMember:
    """Somebody who signs in, as the team's page shows them."""

    id: UUID
    email: str
    name: str
    role: str
    store_ids: tuple[UUID, ...]
    staff_id: UUID | None
    joined_at: datetime | None
    disabled_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Team:
    """The owner first, then the members; and who was invited and has not come yet."""

    members: list[TeamMember]
    invitations: list[MemberInvitation]


@dataclass(frozen=True, slots=True)
class Named:
    """A store or a person at the till, to be chosen from."""

    id: UUID
    name: str


async def list_team(session: AsyncSession, merchant_id: UUID) -> Team:
    """Return everybody who signs in to the bound tenant, and the open invitations."""
    owner = await get_owner(session, merchant_id)
    seen = await _last_seen(session, merchant_id)
    rows = await session.execute(
        select(Member)
        .where(Member.merchant_id == merchant_id)
        .order_by(Member.disabled_at.is_not(None), Member.id)
        .limit(TEAM_LISTED_MAX)
    )
    first = TeamMember(owner.id, owner.email, owner.name, "owner", (), None, None, None, seen.get(owner.id))
    others = [
        TeamMember(
            row.id,
            row.email,
            row.name,
            row.role,
            tuple(row.store_ids),
            row.staff_id,
            row.joined_at,
            row.disabled_at,
            seen.get(row.id),
        )
        for row in rows.scalars()
    ]
    waiting = await session.execute(
        select(MemberInvitation)
        .where(MemberInvitation.merchant_id == merchant_id)
        .order_by(MemberInvitation.id.desc())
        .limit(TEAM_LISTED_MAX)
    )
    return Team([first, *others], list(waiting.scalars()))


async def _last_seen(session: AsyncSession, merchant_id: UUID) -> dict[UUID, datetime]:
    rows = await session.execute(
        select(MerchantSession.member_id, func.max(MerchantSession.last_seen_at))
        .where(MerchantSession.merchant_id == merchant_id)
        .group_by(MerchantSession.member_id)
    )
    return {row[0]: row[1] for row in rows}


async def count_team(session: AsyncSession, merchant_id: UUID) -> int:
    """Return how many members and invitations there are besides the owner."""
    members = select(func.count()).select_from(Member).where(Member.merchant_id == merchant_id)
    waiting = (
        select(func.count()).select_from(MemberInvitation).where(MemberInvitation.merchant_id == merchant_id)
    )
    row = (await session.execute(select(members.scalar_subquery(), waiting.scalar_subquery()))).one()
    return int(row[0]) + int(row[1])


async def is_in_team(session: AsyncSession, merchant_id: UUID, email: str) -> bool:
    """Tell whether this address signs in to the bound tenant already, or is invited to."""
    owner = await get_owner(session, merchant_id)
    if owner.email.lower() == email.lower():
        return True
    member = select(literal(1)).where(
        Member.merchant_id == merchant_id, func.lower(Member.email) == email.lower()
    )
    waiting = select(literal(1)).where(
        MemberInvitation.merchant_id == merchant_id, func.lower(MemberInvitation.email) == email.lower()
    )
    found = await session.execute(select(or_(member.exists(), waiting.exists())))
    return bool(found.scalar_one())


async def list_store_choices(session: AsyncSession, merchant_id: UUID) -> list[Named]:
    """Return the open stores by name."""
    rows = await session.execute(
        select(_STORE.c.id, _STORE.c.name)
        .where(_STORE.c.merchant_id == merchant_id, _STORE.c.closed_at.is_(None))
        .order_by(_STORE.c.name, _STORE.c.id)
        .limit(CHOICES_MAX)
    )
    return [Named(row[0], row[1]) for row in rows]


async def list_staff_choices(session: AsyncSession, merchant_id: UUID) -> list[Named]:
    """Return the people at the till by name."""
    rows = await session.execute(
        select(_STAFF.c.id, _STAFF.c.name)
        .where(_STAFF.c.merchant_id == merchant_id, _STAFF.c.left_at.is_(None))
        .order_by(_STAFF.c.name, _STAFF.c.id)
        .limit(CHOICES_MAX)
    )
    return [Named(row[0], row[1]) for row in rows]
