"""Signing in: limits reserved before anything is verified, then the password, then the second factor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import find_lookup
from app.db.session import Database, let_go, set_tenant
from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.modules.accounts.members import MemberView, find_member, hold_sign_in, store_sign_in
from app.modules.accounts.passwords import in_hash_thread
from app.modules.accounts.signing_in.browser import Browser, known_device
from app.modules.accounts.signing_in.half import (
    HalfSignedIn,
    begin_half_sign_in,
    refund_factor_try,
    required_factor,
    reserve_factor_try,
    use_half_sign_in,
)
from app.modules.accounts.signing_in.limits import refund_attempt, reserve_attempt, sign_in_subjects
from app.modules.accounts.signing_in.mails import send_new_device_mail
from app.modules.accounts.signing_in.sessions import SignedIn, open_session
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_password, password_needs_rehash, verify_password

# The password was right when it was looked at, and is another one now.
CHANGED_MEANWHILE = Refusal("sign_in_failed")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person typed, and the browser it came from."""

    email: str
    password: str = field(repr=False)
    browser: Browser


async def check_password(
    session: AsyncSession, credentials: Credentials, *, now: datetime
) -> MemberView | Refusal:
    """Return whose e-mail and password these are; the same answer and work for an unknown address."""
    resources = resources_of(session)
    keyring = resources.get(Keyring)
    email, browser = credentials.email, credentials.browser
    subjects = sign_in_subjects(email, address=browser.address, device=known_device(keyring, browser, email))
    refused = await reserve_attempt(
        resources.get(Database), keyring, purpose="sign_in", subjects=subjects, now=now
    )
    if refused is not None:
        return refused
    found = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, email))
    # An unknown address reads a merchant that is not there, and verifies against a dummy.
    merchant_id, member_id = found or (new_id(), new_id())
    await set_tenant(session, merchant_id)
    member = await find_member(session, merchant_id, member_id)
    stored = member.password_hash if member else None
    async with let_go(session):
        is_right = await in_hash_thread(verify_password, credentials.password, stored)
    if not is_right or member is None:
        return Refusal("sign_in_failed")
    await refund_attempt(session, keyring, purpose="sign_in", subjects=subjects, now=now)
    return await _renew_hash(session, member, password=credentials.password)


async def _renew_hash(session: AsyncSession, member: MemberView, *, password: str) -> MemberView | Refusal:
    """Hash a right password anew where Argon2's parameters have grown, unless another one was set meanwhile."""
    if not password_needs_rehash(member.password_hash):
        return member
    hashed = await in_hash_thread(hash_password, password)
    if not await hold_sign_in(session, member):
        return CHANGED_MEANWHILE
    await store_sign_in(session, member, password_hash=hashed)
    return replace(member, password_hash=hashed)


async def sign_in(
    session: AsyncSession, credentials: Credentials, *, now: datetime
) -> SignedIn | HalfSignedIn | Refusal:
    """Check e-mail and password and open a session, or go on to the second factor's page."""
    member = await check_password(session, credentials, now=now)
    if isinstance(member, Refusal):
        return member
    return await begin_session(session, member, browser=credentials.browser, now=now)


async def sign_in_at_once(
    session: AsyncSession, credentials: Credentials, *, code: str | None, now: datetime
) -> SignedIn | Refusal:
    """Check e-mail, password and, where the account asks for one, the one-time code, in one request."""
    member = await check_password(session, credentials, now=now)
    if isinstance(member, Refusal):
        return member
    factor = await required_factor(session, member.ref)
    if factor is not None:
        if not code:
            return Refusal("totp_required")
        refused = await reserve_factor_try(session, member.ref, browser=credentials.browser, now=now)
        if refused is not None:
            return refused
        if not await factor.is_right(session, member.ref, code=code, now=now):
            return Refusal("unauthenticated")
        await refund_factor_try(session, member.ref, browser=credentials.browser, now=now)
    if not await hold_sign_in(session, member):
        return CHANGED_MEANWHILE
    return await _open_announced(session, member, browser=credentials.browser, now=now)


async def begin_session(
    session: AsyncSession, member: MemberView, *, browser: Browser, now: datetime
) -> SignedIn | HalfSignedIn | Refusal:
    """Open a session for a member whose password was right, or remember that the second factor is missing.

    Refuses sign_in_failed where that password counts no more.
    """
    if not await hold_sign_in(session, member):
        return CHANGED_MEANWHILE
    factor = await required_factor(session, member.ref)
    if factor is not None:
        return await begin_half_sign_in(session, member, page_url=factor.page_url, now=now)
    return await _open_announced(session, member, browser=browser, now=now)


async def finish_sign_in(
    session: AsyncSession, token: str, *, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Open the session of a half sign-in whose second factor was right, once.

    token: the half sign-in's cookie; try_half_sign_in counted the try, which is given back here.
    """
    member = await use_half_sign_in(session, token, now=now)
    if member is None:
        return Refusal("link_unusable")
    await refund_factor_try(session, member.ref, browser=browser, now=now)
    return await _open_announced(session, member, browser=browser, now=now)


async def sign_in_without_password(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Open a session for a member whom something stronger than a password has proven, such as a passkey."""
    await set_tenant(session, merchant_id)
    member = await find_member(session, merchant_id, member_id)
    if member is None:
        return Refusal("sign_in_failed")
    return await _open_announced(session, member, browser=browser, now=now)


async def _open_announced(
    session: AsyncSession, member: MemberView, *, browser: Browser, now: datetime
) -> SignedIn:
    opened = await open_session(session, member, browser=browser, now=now)
    if opened.is_new_device:
        await send_new_device_mail(session, member, opened=opened, browser=browser, now=now)
    return opened
