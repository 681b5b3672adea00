"""Inviting people to the team: by mail, with a link that works once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import add_lookup
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.metering import take_room
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.members import find_member
from app.modules.accounts.models import Member, MemberInvitation
from app.modules.accounts.passwords import hash_new_password
from app.modules.accounts.rules import INVITATION_LIFETIME, split_token
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.limits import count_attempt
from app.modules.accounts.signing_in.sessions import SignedIn, open_session, principal_of
from app.modules.accounts.team.mails import send_invitation_mail
from app.modules.accounts.team.queries import count_team, is_in_team
from app.modules.accounts.team.service import Place, check_place
from app.modules.merchants.public import EMAIL_LOOKUP, email_key, find_standstill, get_merchant
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_token, new_token, same

TEAM_MAX = 200
# Mails a business may send in a window, and that one address gets.
INVITATIONS_PER_BUSINESS_MAX = 30
INVITATIONS_PER_ADDRESS_MAX = 3


@dataclass(frozen=True, slots=True)
class InvitationWish:
    """Whom to invite, as what. name: how the team calls them; may be empty."""

    email: str
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class InvitationView:
    """What the page behind the link shows. refusal: why it cannot be accepted now."""

    merchant_name: str
    email: str
    name: str
    role: str
    refusal: Refusal | None = None


async def invite(
    session: AsyncSession, principal: Principal, wish: InvitationWish, *, now: datetime
) -> MemberInvitation | Refusal:
    """Keep an invitation and mail its link; nothing tells whether the address signs in elsewhere.

    Refuses rate_limited; raises Invalid for an address that is in this team already, and for a full team.
    """
    merchant_id = principal.merchant_id
    await check_place(session, merchant_id, wish.place)
    if await is_in_team(session, merchant_id, wish.email):
        raise Invalid(extra={"fields": {"email": _("This address is in the team or invited already.")}})
    if await count_team(session, merchant_id) >= TEAM_MAX:
        raise Invalid(extra={"fields": {"email": _("The team is full; remove somebody first.")}})
    await take_room(session, merchant_id, "members", at="email", now=now)
    refused = await _count_mail(session, merchant_id, wish.email, now=now)
    if refused is not None:
        return refused
    assert principal.id is not None, "a member invites"
    secret = new_token()
    invitation = MemberInvitation(
        merchant_id=merchant_id,
        id=new_id(),
        email=wish.email,
        name=wish.name,
        role=wish.place.role,
        store_ids=sorted(set(wish.place.store_ids)),
        staff_id=wish.place.staff_id,
        token_hash=hash_token(secret),
        invited_at=now,
        invited_by=principal.id,
        expires_at=now + INVITATION_LIFETIME,
    )
    session.add(invitation)
    await session.flush()
    await _send(session, invitation, secret=secret, now=now)
    await record_audit(
        session,
        principal,
        action="member.invited",
        target_kind="invitation",
        target_id=invitation.id,
        now=now,
        facts={"role": wish.place.role},
    )
    return invitation


async def resend_invitation(
    session: AsyncSession, principal: Principal, invitation_id: UUID, *, now: datetime
) -> MemberInvitation | Refusal:
    """Mail an invitation again with a new link; the one before opens nothing any more. Raises NotFound."""
    invitation = await _lock_invitation(session, principal.merchant_id, invitation_id)
    refused = await _count_mail(session, principal.merchant_id, invitation.email, now=now)
    if refused is not None:
        return refused
    secret = new_token()
    await session.execute(
        update(MemberInvitation)
        .where(MemberInvitation.merchant_id == invitation.merchant_id, MemberInvitation.id == invitation_id)
        .values(token_hash=hash_token(secret), expires_at=now + INVITATION_LIFETIME)
    )
    await session.refresh(invitation)
    await _send(session, invitation, secret=secret, now=now)
    await _tell(session, principal, "member.invited_again", invitation_id, now=now)
    return invitation


async def withdraw_invitation(
    session: AsyncSession, principal: Principal, invitation_id: UUID, *, now: datetime
) -> None:
    """Take an invitation back; its link opens nothing any more. Raises NotFound."""
    invitation = await _lock_invitation(session, principal.merchant_id, invitation_id)
    await _delete(session, invitation)
    await _tell(session, principal, "member.invitation_withdrawn", invitation_id, now=now)


async def find_invitation(session: AsyncSession, token: str, *, now: datetime) -> InvitationView | None:
    """Return what the page behind a usable link shows, and bind the tenant; None for every other token."""
    row = await _lock_by_token(session, token, now=now)
    if row is None:
        return None
    merchant = await get_merchant(session, row.merchant_id)
    refusal = await find_standstill(session, merchant.id)
    return InvitationView(merchant.name, row.email, row.name, row.role, refusal)


async def accept_invitation(
    session: AsyncSession, token: str, *, name: str, password: str, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Make a member of an invitation, once, and sign them in.

    Refuses link_unusable, weak_password, business_closed, and address_taken where the address signs in to another
    business: whoever reads this holds the mailbox.
    """
    row = await _lock_by_token(session, token, now=now)
    if row is None:
        return Refusal("link_unusable")
    standstill = await find_standstill(session, row.merchant_id)
    if standstill is not None:
        return standstill
    merchant = await get_merchant(session, row.merchant_id)
    hashed = await hash_new_password(password, about=(merchant.name, row.email, name))
    if isinstance(hashed, Refusal):
        return hashed
    member_id = new_id()
    key = email_key(resources_of(session).get(Keyring), row.email)
    if not await add_lookup(session, EMAIL_LOOKUP, key, merchant_id=row.merchant_id, target_id=member_id):
        return Refusal("address_taken")
    await session.execute(
        insert(Member).values(
            merchant_id=row.merchant_id,
            id=member_id,
            email=row.email,
            password_hash=hashed,
            name=name or row.name,
            role=row.role,
            store_ids=row.store_ids,
            staff_id=row.staff_id,
            invited_at=row.invited_at,
            invited_by=row.invited_by,
            joined_at=now,
        )
    )
    await _delete(session, row)
    member = await find_member(session, row.merchant_id, member_id)
    assert member is not None, "made a moment ago"
    await record_audit(
        session,
        principal_of(member),
        action="member.joined",
        target_kind="member",
        target_id=member_id,
        now=now,
        facts={"role": member.role},
    )
    return await open_session(session, member, browser=browser, now=now)


async def _count_mail(
    session: AsyncSession, merchant_id: UUID, email: str, *, now: datetime
) -> Refusal | None:
    subjects = {
        "business": (str(merchant_id), INVITATIONS_PER_BUSINESS_MAX),
        "user": (email, INVITATIONS_PER_ADDRESS_MAX),
    }
    keyring = resources_of(session).get(Keyring)
    return await count_attempt(session, keyring, purpose="invite", subjects=subjects, now=now)


async def _send(session: AsyncSession, invitation: MemberInvitation, *, secret: str, now: datetime) -> None:
    merchant = await get_merchant(session, invitation.merchant_id)
    token = f"{merchant.id.hex}.{invitation.id.hex}.{secret}"
    await send_invitation_mail(session, merchant, invitation, token=token, now=now)


async def _lock_invitation(session: AsyncSession, merchant_id: UUID, invitation_id: UUID) -> MemberInvitation:
    row = (
        await session.execute(
            select(MemberInvitation)
            .where(MemberInvitation.merchant_id == merchant_id, MemberInvitation.id == invitation_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("invitation")
    return row


async def _lock_by_token(session: AsyncSession, token: str, *, now: datetime) -> MemberInvitation | None:
    merchant_id, rest = split_token(token)
    invitation_id, secret = split_token(rest)
    if merchant_id is None or invitation_id is None:
        return None
    await set_tenant(session, merchant_id)
    try:
        row = await _lock_invitation(session, merchant_id, invitation_id)
    except NotFound:
        return None
    return row if same(row.token_hash, hash_token(secret)) and now < row.expires_at else None


async def _delete(session: AsyncSession, row: MemberInvitation) -> None:
    await session.execute(
        delete(MemberInvitation).where(
            MemberInvitation.merchant_id == row.merchant_id, MemberInvitation.id == row.id
        )
    )


async def _tell(
    session: AsyncSession, principal: Principal, action: str, invitation_id: UUID, *, now: datetime
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="invitation", target_id=invitation_id, now=now
    )
