"""'That was not me': a link in our mails that throws everybody out and gives the account back to the mailbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.outcomes import Refusal
from app.modules.accounts.members import MemberView, find_member, store_sign_in
from app.modules.accounts.models import MemberLink, MerchantSession
from app.modules.accounts.own.address import move_address
from app.modules.accounts.own.taken_back import give_business_back, take_back, tell_taken_back
from app.modules.accounts.passwords import in_hash_thread
from app.modules.accounts.signing_in.links import (
    LIFETIMES,
    LinkWish,
    lock_link,
    make_link,
    use_alarms,
    use_links,
)
from app.modules.accounts.signing_in.sessions import principal_of, revoke_sessions
from app.utils.security import hash_password, new_token

# A changed address is told once its new mailbox has confirmed it, and that link works for so long.
TOLD_LATE = LIFETIMES["email"]


async def raise_alarm(session: AsyncSession, token: str, *, now: datetime) -> str | Refusal:
    """End every session and link of a member, close the password, and return the token of a reset link.

    The address of the time when the link was mailed is put back, and so is the business where it was handed over
    since. The browser that was told about is forgotten, so that it counts as new again. What was made with the account
    since then is taken back: second factors, keys, invitations and who came by them, devices, PINs.
    """
    link = await lock_link(session, "alarm", token=token, now=now)
    if link is None:
        return Refusal("link_unusable")
    merchant_id, since = link.merchant_id, await _stranger_since(session, link)
    undone = await give_business_back(session, merchant_id, member_id=link.member_id, since=since, now=now)
    member = await find_member(session, merchant_id, link.member_id)
    if member is None:
        return Refusal("link_unusable")
    principal = principal_of(member)
    address = await use_alarms(session, link, now=now)
    await use_links(session, member.merchant_id, member_id=member.id, now=now)
    if address is not None:
        await move_address(session, member, email=address, now=now)
    # Whoever was in may know the password: until a new one is chosen, none is right. Closed and taken back before
    # the sessions end: a sign-in that is just being verified either opens nothing, or what is ended below.
    closed = await in_hash_thread(hash_password, new_token())
    await store_sign_in(session, member, password_hash=closed)
    undone += await take_back(session, member, since=since, now=now)
    await _disown(session, member, session_id=link.session_id, now=now)
    await revoke_sessions(session, principal, now=now)
    await record_audit(
        session, principal, action="sign_in.disowned", target_kind="member", target_id=member.id, now=now
    )
    restored = replace(member, email=address or member.email)
    await tell_taken_back(session, restored, undone, now=now)
    return await make_link(session, LinkWish("reset", member.merchant_id, member.id), now=now)


async def _stranger_since(session: AsyncSession, link: MemberLink) -> datetime:
    """Return when the stranger came: at the sign-in that was told about, or some time before the change that was."""
    began = select(MerchantSession.created_at).where(
        MerchantSession.merchant_id == link.merchant_id, MerchantSession.id == link.session_id
    )
    mailed_at = link.expires_at - LIFETIMES["alarm"]
    return await session.scalar(began) or mailed_at - TOLD_LATE


async def _disown(
    session: AsyncSession, member: MemberView, *, session_id: UUID | None, now: datetime
) -> None:
    own = (MerchantSession.merchant_id == member.merchant_id, MerchantSession.member_id == member.id)
    statement = update(MerchantSession).where(*own).values(disowned_at=now)
    if session_id is not None:
        device = select(MerchantSession.device_hash).where(*own, MerchantSession.id == session_id)
        statement = statement.where(MerchantSession.device_hash == device.scalar_subquery())
    await session.execute(statement)
