"""Sign-up and the merchant itself: how a business comes to be, and what it may change about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.lookup import add_lookup, find_lookup
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.merchants.models import Merchant, SignUp
from app.modules.merchants.queries import has_visits
from app.modules.merchants.rules import SIGN_UP_LINK_LIFETIME, is_weak_password, slug_of
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_password, hash_token, new_token, same

EMAIL_LOOKUP = "email"
# Hashing is slow on purpose; a flood of it takes turns here instead of taking every core and much memory.
HASH_THREADS = 2
_hashers = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="argon2")
T = TypeVar("T")


async def in_hash_thread(work: Callable[..., T], *values: Any) -> T:
    """Run a slow password function off the event loop, on the small pool."""
    return await asyncio.get_running_loop().run_in_executor(_hashers, work, *values)


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """What a business is made of. time_zone and currency empty: those of the installation."""

    name: str
    email: str
    password_hash: str
    locale: str = "en"
    time_zone: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class SignUpWish:
    """A sign-up that asks for its mail. key: the request's Idempotency-Key."""

    name: str
    email: str
    password: str
    locale: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class SignUpLink:
    """What the mail of a sign-up needs. token None: the address has an account, and the mail says so."""

    merchant_id: UUID
    token: str | None


def email_key(keyring: Keyring, email: str) -> str:
    """Return the keyed form of a sign-in address, as the lookup table holds it."""
    return keyring.mac("lookup", "sign-in", email.lower()).hex()


async def hash_new_password(password: str, *, about: tuple[str, ...] = ()) -> str | Refusal:
    """Return the hash of a chosen password, computed in a thread, or refuse a weak one."""
    if await in_hash_thread(partial(is_weak_password, about=about), password):
        return Refusal("weak_password")
    return await in_hash_thread(hash_password, password)


def is_sign_up_open(settings: Settings) -> bool:
    """Tell whether strangers may sign up: the operator allows it and mail can reach them."""
    return settings.sign_up == "open" and bool(settings.smtp_url or settings.demo)


async def begin_sign_up(session: AsyncSession, wish: SignUpWish, *, now: datetime) -> SignUpLink | Refusal:
    """Keep a sign-up until its link is opened; a known address does the same work and gets another mail.

    A repeated request with the same key gives the same id, and a token of its own only once.
    """
    hashed = await hash_new_password(wish.password, about=(wish.name, wish.email))
    if isinstance(hashed, Refusal):
        return hashed
    keyring = resources_of(session).get(Keyring)
    known = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, wish.email))
    merchant_id, secret = _sign_up_id(keyring, wish), new_token()
    await set_tenant(session, merchant_id)
    statement = insert(SignUp).values(
        merchant_id=merchant_id,
        # A known address gets a row that no link opens, so that both take the same statements and time.
        token_hash=hash_token(secret if known is None else new_token()),
        name=wish.name,
        email=wish.email,
        password_hash=hashed,
        locale=wish.locale,
        expires_at=now + SIGN_UP_LINK_LIFETIME,
    )
    values = {
        name: statement.excluded[name] for name in ("token_hash", "name", "password_hash", "expires_at")
    }
    await session.execute(statement.on_conflict_do_update(index_elements=["merchant_id"], set_=values))
    return SignUpLink(merchant_id, f"{merchant_id.hex}.{secret}" if known is None else None)


def _sign_up_id(keyring: Keyring, wish: SignUpWish) -> UUID:
    if not wish.key:
        return new_id()
    digest = keyring.mac("token", "sign-up", wish.email.lower(), wish.key)
    # Version 8 (RFC 9562: our own making) by hand: UUID(version=8) is refused before Python 3.14.
    value = int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=value | 0x8 << 76 | 0x2 << 62)


async def finish_sign_up(session: AsyncSession, token: str, *, now: datetime) -> Merchant | Refusal:
    """Make the merchant of a sign-up link, once; every other token gets the same refusal."""
    unusable = Refusal("link_unusable")
    merchant_id, secret = split_token(token)
    if merchant_id is None:
        return unusable
    await set_tenant(session, merchant_id)
    waiting = (
        await session.execute(select(SignUp).where(SignUp.merchant_id == merchant_id).with_for_update())
    ).scalar_one_or_none()
    if waiting is None or not same(waiting.token_hash, hash_token(secret)) or now >= waiting.expires_at:
        return unusable
    await session.execute(delete(SignUp).where(SignUp.merchant_id == merchant_id))
    made = await create_merchant(
        session,
        NewMerchant(waiting.name, waiting.email, waiting.password_hash, waiting.locale),
        now=now,
        merchant_id=merchant_id,
    )
    return made or unusable


def split_token(token: str) -> tuple[UUID | None, str]:
    """Return (merchant id, the rest) of a link's token; the id is None where the token cannot be one."""
    head, _dot, rest = token.partition(".")
    try:
        return UUID(hex=head), rest
    except ValueError:
        return None, ""


async def create_merchant(
    session: AsyncSession, new: NewMerchant, *, now: datetime, merchant_id: UUID | None = None
) -> Merchant | None:
    """Make a merchant and bind the transaction to it; None where the e-mail signs in somewhere already."""
    resources = resources_of(session)
    settings = resources.get(Settings)
    merchant = Merchant(
        id=merchant_id or new_id(),
        name=new.name,
        email=new.email,
        password_hash=new.password_hash,
        slug=slug_of(new.name),
        locale=new.locale,
        time_zone=new.time_zone or settings.default_time_zone,
        currency=new.currency or settings.default_currency,
        branding={},
        modules_on=[],
        owner_id=new_id(),
        created_at=now,
    )
    key = email_key(resources.get(Keyring), new.email)
    if not await add_lookup(session, EMAIL_LOOKUP, key, merchant_id=merchant.id, target_id=merchant.owner_id):
        return None
    await set_tenant(session, merchant.id)
    session.add(merchant)
    # The audit entry points at the merchant, and the rows of one flush are not ordered by that.
    await session.flush()
    await record_audit(
        session,
        Principal("system", merchant.id, None),
        action="merchant.created",
        target_kind="merchant",
        target_id=merchant.id,
        now=now,
    )
    return merchant


async def change_merchant(
    session: AsyncSession, principal: Principal, changes: dict[str, Any], *, now: datetime
) -> Merchant:
    """Change what a business says about itself (name, locale, time_zone, currency, branding)."""
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == principal.merchant_id).with_for_update())
    ).scalar_one_or_none()
    if merchant is None:
        raise NotFound("merchant")
    moved = {name: value for name, value in changes.items() if getattr(merchant, name) != value}
    if "currency" in moved and await has_visits(session, merchant.id):
        # Balances are counted in whole points, but amounts of the past would change their meaning.
        raise Invalid(extra={"fields": {"currency": _("The currency is fixed once visits were entered.")}})
    if moved:
        await session.execute(update(Merchant).where(Merchant.id == merchant.id).values(**moved))
        await record_audit(
            session,
            principal,
            action="merchant.changed",
            target_kind="merchant",
            target_id=merchant.id,
            now=now,
            facts={"fields": sorted(moved)},
        )
        await session.refresh(merchant)
    return merchant
