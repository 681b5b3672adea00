"""Sign-up: kept until its mail link is opened, then made into a business with a signed-in owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.lookup import find_lookup
from app.db.session import Database, set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import AppError
from app.kernel.outcomes import Refusal
from app.modules.accounts.members import find_member
from app.modules.accounts.models import SignUp
from app.modules.accounts.passwords import hash_new_password
from app.modules.accounts.rules import SIGN_UP_LINK_LIFETIME, split_token
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.limits import reserve_attempt
from app.modules.accounts.signing_in.sessions import SignedIn, open_session
from app.modules.accounts.signing_up.invitations import (
    find_sign_up_invitation,
    lock_sign_up_invitation,
    use_sign_up_invitation,
)
from app.modules.accounts.signing_up.mails import SignUpLink, send_sign_up_mail
from app.modules.merchants.public import EMAIL_LOOKUP, NewMerchant, create_merchant, email_key
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_token, new_token, same

SIGN_UP_MAILS_MAX = 3  # that one address gets in a window


@dataclass(frozen=True, slots=True)
class SignUpWish:
    """A sign-up that asks for its mail. key: the request's Idempotency-Key. browser: the secret of its cookie.

    invitation: the token of an operator's link, where only the invited may sign up.
    """

    name: str
    email: str
    password: str = field(repr=False)
    locale: str
    key: str = ""
    browser: str = field(default="", repr=False)
    invitation: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An opened sign-up link. browser: the secret of the cookie that came along. password: chosen just now."""

    token: str = field(repr=False)
    browser: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def is_sign_up_by_invitation(settings: Settings) -> bool:
    """Tell whether those may sign up whom the operator has invited; their mail must reach them, too."""
    return settings.sign_up == "invite" and bool(settings.smtp_url or settings.demo)


def is_sign_up_open(settings: Settings) -> bool:
    """Tell whether strangers may sign up: the operator allows it and mail can reach them."""
    return settings.sign_up == "open" and bool(settings.smtp_url or settings.demo)


async def may_sign_up(session: AsyncSession, invitation: str, *, now: datetime) -> bool:
    """Tell whether whoever brings this invitation (or none) may sign up here."""
    settings = resources_of(session).get(Settings)
    if is_sign_up_open(settings):
        return True
    return is_sign_up_by_invitation(settings) and bool(
        await find_sign_up_invitation(session, invitation, now=now)
    )


async def request_sign_up(session: AsyncSession, wish: SignUpWish, *, now: datetime) -> None | Refusal:
    """Keep a sign-up and mail its link; refuses only what the form itself shows, never whether one is known.

    Raises sign_up_closed. A repeated request with the same key gives the same id, and a token of its own once.
    """
    resources = resources_of(session)
    invitation_id: UUID | None = None
    if not is_sign_up_open(resources.get(Settings)):
        if is_sign_up_by_invitation(resources.get(Settings)):
            invitation_id = await find_sign_up_invitation(session, wish.invitation, now=now)
        if invitation_id is None:
            raise AppError("sign-up is closed", code="sign_up_closed")
    hashed = await hash_new_password(wish.password, about=(wish.name, wish.email))
    if isinstance(hashed, Refusal):
        return hashed
    keyring = resources.get(Keyring)
    # Over the limit the answer stays the same and no mail goes out: nobody's mailbox is flooded through us.
    refused = await reserve_attempt(
        resources.get(Database),
        keyring,
        purpose="sign_up",
        subjects={"user": (wish.email, SIGN_UP_MAILS_MAX)},
        now=now,
    )
    link = await _keep(session, wish, invitation_id=invitation_id, password_hash=hashed, now=now)
    if refused is None:
        await send_sign_up_mail(session, link, name=wish.name, email=wish.email, locale=wish.locale, now=now)
    return None


async def _keep(
    session: AsyncSession,
    wish: SignUpWish,
    *,
    invitation_id: UUID | None,
    password_hash: str,
    now: datetime,
) -> SignUpLink:
    keyring = resources_of(session).get(Keyring)
    known = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, wish.email))
    merchant_id, secret = _sign_up_id(keyring, wish), new_token()
    await set_tenant(session, merchant_id)
    statement = insert(SignUp).values(
        merchant_id=merchant_id,
        # A known address gets a row that no link opens, so that both take the same statements and time.
        token_hash=hash_token(secret if known is None else new_token()),
        browser_hash=hash_token(wish.browser or new_token()),
        name=wish.name,
        email=wish.email,
        password_hash=password_hash,
        locale=wish.locale,
        expires_at=now + SIGN_UP_LINK_LIFETIME,
        invitation_id=invitation_id,
    )
    names = ("token_hash", "browser_hash", "name", "password_hash", "expires_at", "invitation_id")
    values = {name: statement.excluded[name] for name in names}
    await session.execute(statement.on_conflict_do_update(index_elements=["merchant_id"], set_=values))
    return SignUpLink(merchant_id, f"{merchant_id.hex}.{secret}" if known is None else None)


def _sign_up_id(keyring: Keyring, wish: SignUpWish) -> UUID:
    if not wish.key:
        return new_id()
    digest = keyring.mac("token", "sign-up", wish.email.lower(), wish.key)
    # Version 8 (RFC 9562: our own making) by hand: UUID(version=8) is refused before Python 3.14.
    value = int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=value | 0x8 << 76 | 0x2 << 62)


async def needs_password(session: AsyncSession, opened: Confirmation, *, now: datetime) -> bool:
    """Tell whether the link is good but came to another browser than the one that chose the password."""
    waiting = await _lock_waiting(session, opened.token, now=now)
    return waiting is not None and not same(waiting.browser_hash, hash_token(opened.browser))


async def finish_sign_up(
    session: AsyncSession, opened: Confirmation, *, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Make the merchant of a sign-up link, once, and open its owner's first session.

    The password of the form counts only in the browser that typed it. A stranger may have typed somebody else's
    address; the owner of that mailbox then chooses a password of their own (refused with password_needed without).
    """
    waiting = await _lock_waiting(session, opened.token, now=now)
    if waiting is None:
        return Refusal("link_unusable")
    hashed: str | Refusal = waiting.password_hash
    if opened.password:
        hashed = await hash_new_password(opened.password, about=(waiting.name, waiting.email))
    elif not same(waiting.browser_hash, hash_token(opened.browser)):
        return Refusal("password_needed")
    if isinstance(hashed, Refusal):
        return hashed
    # Two sign-ups may wait for the same invitation; the first to finish has it.
    if not await lock_sign_up_invitation(session, waiting.invitation_id):
        return Refusal("link_unusable")
    await session.execute(delete(SignUp).where(SignUp.merchant_id == waiting.merchant_id))
    new = NewMerchant(waiting.name, waiting.email, hashed, waiting.locale)
    made = await create_merchant(session, new, now=now, merchant_id=waiting.merchant_id)
    member = await find_member(session, made.id, made.owner_id) if made else None
    if member is None:
        return Refusal("link_unusable")
    await use_sign_up_invitation(session, waiting.invitation_id, merchant_id=member.merchant_id, now=now)
    return await open_session(session, member, browser=browser, now=now)


async def _lock_waiting(session: AsyncSession, token: str, *, now: datetime) -> SignUp | None:
    merchant_id, secret = split_token(token)
    if merchant_id is None:
        return None
    await set_tenant(session, merchant_id)
    waiting = (
        await session.execute(select(SignUp).where(SignUp.merchant_id == merchant_id).with_for_update())
    ).scalar_one_or_none()
    if waiting is None or not same(waiting.token_hash, hash_token(secret)) or now >= waiting.expires_at:
        return None
    return waiting
