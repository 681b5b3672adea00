"""The team: roles, stores, disabling, removing, and handing the business over. All effective on the next request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import remove_lookup
from app.kernel.adapters import resources_of
from app.kernel.audit import AuditEntry, record_audit
from app.kernel.errors import Conflict, Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.hooks import MEMBER_GONE, MemberGone
from app.modules.accounts.members import find_member, get_owner, swap_owner
from app.modules.accounts.models import Member, MerchantSession
from app.modules.accounts.own.service import confirm_password
from app.modules.accounts.signing_in.links import CHANGING_KINDS, LIFETIMES, use_links
from app.modules.accounts.team.mails import send_owner_mails
from app.modules.accounts.team.queries import list_staff_choices, list_store_choices
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.security import Keyring


@dataclass(frozen=True, slots=True)
class Place:
    """What somebody may do, and where. store_ids empty: every store. staff_id: who they are at the till."""

    role: str
    store_ids: tuple[UUID, ...] = ()
    staff_id: UUID | None = None


async def check_place(session: AsyncSession, merchant_id: UUID, place: Place) -> None:
    """Raise Invalid where a store or a person at the till is not the business's own."""
    stores = {store.id for store in await list_store_choices(session, merchant_id)}
    if not set(place.store_ids) <= stores:
        raise Invalid(extra={"fields": {"store_ids": _("Choose from the listed stores.")}})
    if place.staff_id is not None:
        people = {person.id for person in await list_staff_choices(session, merchant_id)}
        if place.staff_id not in people:
            raise Invalid(extra={"fields": {"staff_id": _("Choose from the listed people.")}})


async def _lock_member(session: AsyncSession, merchant_id: UUID, member_id: UUID) -> Member | Refusal:
    member = (
        await session.execute(
            select(Member).where(Member.merchant_id == merchant_id, Member.id == member_id).with_for_update()
        )
    ).scalar_one_or_none()
    if member is not None:
        return member
    if (await get_owner(session, merchant_id)).id == member_id:
        return Refusal("last_owner")
    raise NotFound("member")


async def change_member(
    session: AsyncSession, principal: Principal, member_id: UUID, *, place: Place, now: datetime
) -> Member | Refusal:
    """Give a member another role, other stores or another person at the till; the owner keeps theirs."""
    await check_place(session, principal.merchant_id, place)
    member = await _lock_member(session, principal.merchant_id, member_id)
    if isinstance(member, Refusal):
        return member
    wanted: dict[str, Any] = {
        "role": place.role,
        "store_ids": sorted(set(place.store_ids)),
        "staff_id": place.staff_id,
    }
    moved = {name: value for name, value in wanted.items() if getattr(member, name) != value}
    if not moved:
        return member
    facts = {"fields": sorted(moved), **({"role": place.role} if "role" in moved else {})}
    await session.execute(
        update(Member).where(Member.merchant_id == member.merchant_id, Member.id == member_id).values(**moved)
    )
    await _tell(session, principal, "member.changed", member_id, now=now, facts=facts)
    await session.refresh(member)
    return member


async def disable_member(
    session: AsyncSession, principal: Principal, member_id: UUID, *, now: datetime
) -> Member | Refusal:
    """Close a member's sign-in; every session of theirs ends now. Doing it again changes nothing."""
    member = await _lock_member(session, principal.merchant_id, member_id)
    if isinstance(member, Refusal) or member.disabled_at is not None:
        return member
    await _set_disabled(session, member, now)
    await end_sign_ins(session, principal.merchant_id, member_id, now=now)
    await _tell(session, principal, "member.disabled", member_id, now=now)
    return member


async def enable_member(
    session: AsyncSession, principal: Principal, member_id: UUID, *, now: datetime
) -> Member | Refusal:
    """Open a member's sign-in again; they sign in anew."""
    member = await _lock_member(session, principal.merchant_id, member_id)
    if isinstance(member, Refusal) or member.disabled_at is None:
        return member
    await _set_disabled(session, member, None)
    await _tell(session, principal, "member.enabled", member_id, now=now)
    return member


async def _set_disabled(session: AsyncSession, member: Member, at: datetime | None) -> None:
    await session.execute(
        update(Member)
        .where(Member.merchant_id == member.merchant_id, Member.id == member.id)
        .values(disabled_at=at)
    )
    await session.refresh(member)


async def remove_member(
    session: AsyncSession, principal: Principal, member_id: UUID, *, now: datetime
) -> Refusal | None:
    """Take a member out of the team for good; their address may be invited again, here or elsewhere.

    Refuses former_owner for seven days after a hand-over: closed out they may be, but the way back stays.
    """
    member = await _lock_member(session, principal.merchant_id, member_id)
    if isinstance(member, Refusal):
        return member
    merchant_id = principal.merchant_id
    if await was_owner_lately(session, merchant_id, member_id, now=now):
        return Refusal("former_owner")
    key = email_key(resources_of(session).get(Keyring), member.email)
    await remove_lookup(session, EMAIL_LOOKUP, key, merchant_id=merchant_id)
    await end_sign_ins(session, merchant_id, member_id, now=now)
    await session.execute(delete(Member).where(Member.merchant_id == merchant_id, Member.id == member_id))
    await MEMBER_GONE.tell(MemberGone(session, merchant_id, member_id, now))
    await _tell(session, principal, "member.removed", member_id, now=now)
    return None


async def end_sign_ins(session: AsyncSession, merchant_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """End the sessions and links of a member who is closed out.

    Who handed the business over lately keeps the alarms: it may have been a stranger, who now closes the way back.
    """
    await session.execute(
        update(MerchantSession)
        .where(
            MerchantSession.merchant_id == merchant_id,
            MerchantSession.member_id == member_id,
            MerchantSession.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    is_recent = await was_owner_lately(session, merchant_id, member_id, now=now)
    kinds = CHANGING_KINDS if is_recent else tuple(LIFETIMES)
    await use_links(session, merchant_id, member_id=member_id, now=now, kinds=kinds)


async def was_owner_lately(
    session: AsyncSession, merchant_id: UUID, member_id: UUID, *, now: datetime
) -> bool:
    """Tell whether this member handed the business over while an alarm could still bring it back."""
    found = await session.execute(
        select(AuditEntry.id)
        .where(
            AuditEntry.merchant_id == merchant_id,
            AuditEntry.actor_id == member_id,
            AuditEntry.action == "owner.changed",
            AuditEntry.at > now - LIFETIMES["alarm"],
        )
        .limit(1)
    )
    return found.first() is not None


async def hand_over(
    session: AsyncSession, principal: Principal, member_id: UUID, *, password: str, now: datetime
) -> Refusal | None:
    """Make a member the owner; the owner of until now becomes a manager. Both are told by mail.

    Refuses password_wrong; raises NotFound for somebody who cannot sign in, Conflict where the owner just changed.
    """
    owner = await confirm_password(session, principal, password=password, now=now)
    if isinstance(owner, Refusal):
        return owner
    heir = await _lock_member(session, principal.merchant_id, member_id)
    if isinstance(heir, Refusal):
        return heir
    if heir.disabled_at is not None:
        raise NotFound("member")
    if not await swap_owner(session, owner, heir):
        raise Conflict("ownership moved meanwhile")
    await _tell(session, principal, "owner.changed", member_id, now=now)
    former = await find_member(session, principal.merchant_id, owner.id)
    successor = await find_member(session, principal.merchant_id, member_id)
    assert former is not None, "a manager now"
    assert successor is not None, "the owner now"
    await send_owner_mails(session, former, successor, now=now)
    return None


async def _tell(
    session: AsyncSession,
    principal: Principal,
    action: str,
    member_id: UUID,
    *,
    now: datetime,
    facts: dict[str, Any] | None = None,
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="member", target_id=member_id, now=now, facts=facts
    )
