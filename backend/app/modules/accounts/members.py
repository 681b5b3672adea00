"""Who may sign in to a business: the owner, whose sign-in stands in the merchant row, and its members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.modules.accounts.hooks import MemberRef
from app.modules.accounts.models import Member
from app.modules.merchants.models import Merchant
from app.utils.security import same


@dataclass(frozen=True, slots=True)
class MemberView:
    """Somebody who may sign in, and the business they sign in to. store_ids empty: every store."""

    merchant_id: UUID
    id: UUID
    role: str
    name: str
    email: str
    locale: str
    time_zone: str
    merchant_name: str
    modules_on: frozenset[str]
    store_ids: frozenset[UUID] = frozenset()
    staff_id: UUID | None = None
    password_hash: str = field(default="", repr=False)
    feature_rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> MemberRef:
        """Return what second factors get to know."""
        return MemberRef(self.merchant_id, self.id, self.email, self.locale)


async def find_member(session: AsyncSession, merchant_id: UUID, member_id: UUID) -> MemberView | None:
    """Return who signs in under this id today; None once they are disabled or removed. One statement."""
    row = (
        await session.execute(
            select(Merchant, Member)
            .outerjoin(Member, and_(Member.merchant_id == Merchant.id, Member.id == member_id))
            .where(Merchant.id == merchant_id)
        )
    ).one_or_none()
    if row is None:
        return None
    merchant: Merchant = row[0]
    member: Member | None = row[1]
    if merchant.owner_id == member_id:
        return owner_of(merchant)
    if member is None or member.disabled_at is not None:
        return None
    return member_of(merchant, member)


async def hold_sign_in(session: AsyncSession, member: MemberView) -> bool:
    """Lock where this member's sign-in stands; False: another password counts by now, or none of theirs.

    A password is verified without any lock. Whoever opens a session for it asks here first, and a reset or an alarm
    changes the row before it ends sessions: either the session is there to be ended, or it is never opened.
    """
    statement = select(Member.password_hash).where(
        Member.merchant_id == member.merchant_id, Member.id == member.id, Member.disabled_at.is_(None)
    )
    if member.role == "owner":
        statement = select(Merchant.password_hash).where(
            Merchant.id == member.merchant_id, Merchant.owner_id == member.id
        )
    stored = await session.scalar(statement.with_for_update(key_share=True))
    return stored is not None and same(stored, member.password_hash)


async def lock_sign_in(session: AsyncSession, merchant_id: UUID, member_id: UUID) -> None:
    """Lock where a member's sign-in may stand: the merchant row, then their own, as a change of owner does."""
    merchant = select(Merchant.id).where(Merchant.id == merchant_id)
    member = select(Member.id).where(Member.merchant_id == merchant_id, Member.id == member_id)
    for row in (merchant, member):
        await session.execute(row.with_for_update(key_share=True))


async def get_owner(session: AsyncSession, merchant_id: UUID) -> MemberView:
    """Return the owner of the bound tenant; raises NotFound."""
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == merchant_id))
    ).scalar_one_or_none()
    if merchant is None:
        raise NotFound("merchant")
    return owner_of(merchant)


async def swap_owner(session: AsyncSession, owner: MemberView, heir: Member) -> bool:
    """Put a member's sign-in into the merchant row and the owner's into the member's; False: no longer the owner.

    Ids stay with their people, so that sessions, second factors and the audit trail go on; only rows change places.
    """
    moved = await session.execute(
        update(Merchant)
        .where(Merchant.id == owner.merchant_id, Merchant.owner_id == owner.id)
        .values(owner_id=heir.id, email=heir.email, password_hash=heir.password_hash, owner_name=heir.name)
        .returning(Merchant.id)
    )
    if moved.one_or_none() is None:
        return False
    joined_at = heir.joined_at
    await session.execute(delete(Member).where(Member.merchant_id == owner.merchant_id, Member.id == heir.id))
    await session.execute(
        insert(Member).values(
            merchant_id=owner.merchant_id,
            id=owner.id,
            email=owner.email,
            password_hash=owner.password_hash,
            name=owner.name,
            role="manager",
            store_ids=[],
            joined_at=joined_at,
        )
    )
    return True


def owner_of(merchant: Merchant) -> MemberView:
    """Return the owner as a member."""
    return MemberView(
        merchant_id=merchant.id,
        id=merchant.owner_id,
        role="owner",
        name=merchant.owner_name,
        email=merchant.email,
        locale=merchant.locale,
        time_zone=merchant.time_zone,
        merchant_name=merchant.name,
        modules_on=frozenset(merchant.modules_on),
        password_hash=merchant.password_hash,
        feature_rules=merchant.feature_rules,
    )


def member_of(merchant: Merchant, member: Member) -> MemberView:
    """Return a member's row with what it needs of the business."""
    return MemberView(
        merchant_id=merchant.id,
        id=member.id,
        role=member.role,
        name=member.name,
        email=member.email,
        locale=merchant.locale,
        time_zone=merchant.time_zone,
        merchant_name=merchant.name,
        modules_on=frozenset(merchant.modules_on),
        store_ids=frozenset(member.store_ids),
        staff_id=member.staff_id,
        password_hash=member.password_hash,
        feature_rules=merchant.feature_rules,
    )


async def store_sign_in(
    session: AsyncSession,
    member: MemberView,
    *,
    password_hash: str | None = None,
    email: str | None = None,
    name: str | None = None,
) -> None:
    """Keep a new password, address or name where this member's sign-in stands."""
    given = {"password_hash": password_hash, "email": email, "name": name}
    values = {column: value for column, value in given.items() if value is not None}
    if member.role == "owner":
        own = {"owner_name" if column == "name" else column: value for column, value in values.items()}
        # Bound to the id, too: ownership may have gone to somebody else a moment ago.
        await session.execute(
            update(Merchant)
            .where(Merchant.id == member.merchant_id, Merchant.owner_id == member.id)
            .values(**own)
        )
        return
    await session.execute(
        update(Member)
        .where(Member.merchant_id == member.merchant_id, Member.id == member.id)
        .values(**values)
    )
