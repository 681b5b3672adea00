"""A password chosen anew through the mailbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import find_lookup
from app.db.session import Database, set_tenant
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.outcomes import Refusal
from app.modules.accounts.members import MemberView, find_member, store_sign_in
from app.modules.accounts.passwords import hash_new_password
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.half import HalfSignedIn
from app.modules.accounts.signing_in.limits import reserve_attempt
from app.modules.accounts.signing_in.links import LinkWish, lock_link, make_link, use_links
from app.modules.accounts.signing_in.mails import send_reset_mail
from app.modules.accounts.signing_in.service import begin_session
from app.modules.accounts.signing_in.sessions import SignedIn, principal_of, revoke_sessions
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.id_generator import new_id
from app.utils.security import Keyring

RESET_MAILS_MAX = 3  # that one address gets in a window


async def request_reset(session: AsyncSession, email: str, *, locale: str, now: datetime) -> None:
    """Mail a link to choose a new password; the answer and the work say nothing about the address."""
    resources = resources_of(session)
    keyring = resources.get(Keyring)
    # Over the limit the answer stays the same and no mail goes out: nobody's mailbox is flooded through us.
    refused = await reserve_attempt(
        resources.get(Database),
        keyring,
        purpose="reset",
        subjects={"user": (email, RESET_MAILS_MAX)},
        now=now,
    )
    found = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, email))
    merchant_id, member_id = found or (new_id(), new_id())
    await set_tenant(session, merchant_id)
    member = await find_member(session, merchant_id, member_id)
    # An unknown address gets a row, too: nobody is mailed its token, so that no link opens it.
    token = await make_link(session, LinkWish("reset", merchant_id, member_id), now=now)
    if refused is None:
        await send_reset_mail(session, member, email=email, token=token, locale=locale, now=now)


async def finish_reset(
    session: AsyncSession, token: str, *, password: str, browser: Browser, now: datetime
) -> SignedIn | HalfSignedIn | Refusal:
    """Set the new password of a reset link, once; ends every session and every other link of the member.

    A second factor is still asked for: a mailbox alone does not open an account that has one.
    """
    link = await lock_link(session, "reset", token=token, now=now)
    member = await find_member(session, link.merchant_id, link.member_id) if link else None
    if member is None:
        return Refusal("link_unusable")
    return await set_new_password(session, member, password=password, browser=browser, now=now)


async def set_new_password(
    session: AsyncSession, member: MemberView, *, password: str, browser: Browser, now: datetime
) -> SignedIn | HalfSignedIn | Refusal:
    """Set a password whose right to be set was proven by a link, and sign in."""
    hashed = await hash_new_password(password, about=(member.merchant_name, member.email, member.name))
    if isinstance(hashed, Refusal):
        return hashed
    principal = principal_of(member)
    await store_sign_in(session, member, password_hash=hashed)
    await use_links(session, member.merchant_id, member_id=member.id, now=now)
    await revoke_sessions(session, principal, now=now)
    await record_audit(
        session, principal, action="password.reset", target_kind="member", target_id=member.id, now=now
    )
    member = replace(member, password_hash=hashed)
    return await begin_session(session, member, browser=browser, now=now)
