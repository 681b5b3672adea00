"""Signing in: limits reserved before anything is verified, sessions, and the reset of a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import find_lookup
from app.db.session import Database, set_tenant
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.merchants.models import Merchant, MerchantSession, PasswordReset, SignInLimit
from app.modules.merchants.rules import (
    RESET_LINK_LIFETIME,
    SEEN_EVERY,
    SESSION_LIFETIME,
    is_session_over,
    window_start,
)
from app.modules.merchants.service import (
    EMAIL_LOOKUP,
    email_key,
    hash_new_password,
    in_hash_thread,
    split_token,
)
from app.utils.id_generator import new_id
from app.utils.security import (
    Keyring,
    b64,
    hash_password,
    hash_token,
    new_token,
    password_needs_rehash,
    same,
    unb64,
    verify_password,
)

SESSION_COOKIE = "session"
LIMIT_WINDOW = timedelta(minutes=15)
# Wrong tries for one e-mail and from one address; a right password gives its place back.
SIGN_INS_PER_USER_MAX = 10
SIGN_INS_PER_ADDRESS_MAX = 50


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person typed, and the address it came from."""

    email: str
    password: str
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session: token is the cookie's value."""

    merchant_id: UUID
    session_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may sign in to a merchant's dashboard."""

    id: UUID
    role: str
    name: str
    password_hash: str


async def reserve_attempt(
    database: Database, keyring: Keyring, *, purpose: str, subjects: dict[str, tuple[str, int]], now: datetime
) -> Refusal | None:
    """Count an attempt for every subject (kind to value and limit) in a transaction of its own, or refuse.

    One statement each decides and counts, so that simultaneous attempts cannot pass the limit together.
    """
    start = window_start(now, LIMIT_WINDOW)
    async with database.sessions() as session, session.begin():
        for kind, (value, limit) in sorted(subjects.items()):
            statement = insert(SignInLimit).values(
                kind=f"{purpose}:{kind}", key=_limit_key(keyring, kind, value), window_start=start, attempts=1
            )
            taken = await session.execute(
                statement.on_conflict_do_update(
                    index_elements=["kind", "key", "window_start"],
                    set_={"attempts": SignInLimit.attempts + 1},
                    where=SignInLimit.attempts < limit,
                ).returning(SignInLimit.attempts)
            )
            if taken.one_or_none() is None:
                return Refusal("rate_limited", retry_at=start + LIMIT_WINDOW)
    return None


async def refund_attempt(
    session: AsyncSession,
    keyring: Keyring,
    *,
    purpose: str,
    subjects: dict[str, tuple[str, int]],
    now: datetime,
) -> None:
    """Give a reserved attempt back: it was the right person."""
    start = window_start(now, LIMIT_WINDOW)
    for kind, (value, _limit) in sorted(subjects.items()):
        await session.execute(
            update(SignInLimit)
            .where(
                SignInLimit.kind == f"{purpose}:{kind}",
                SignInLimit.key == _limit_key(keyring, kind, value),
                SignInLimit.window_start == start,
            )
            .values(attempts=func.greatest(SignInLimit.attempts - 1, 0))
        )


def _limit_key(keyring: Keyring, kind: str, value: str) -> bytes:
    return keyring.mac("lookup", "sign-in-limit", kind, value.lower())


def sign_in_subjects(credentials: Credentials) -> dict[str, tuple[str, int]]:
    """Return what the attempts are counted by."""
    return {
        "user": (credentials.email, SIGN_INS_PER_USER_MAX),
        "address": (credentials.address, SIGN_INS_PER_ADDRESS_MAX),
    }


async def sign_in(session: AsyncSession, credentials: Credentials, *, now: datetime) -> SignedIn | Refusal:
    """Check e-mail and password and open a session; the same answer and work for an unknown address."""
    resources = resources_of(session)
    keyring, subjects = resources.get(Keyring), sign_in_subjects(credentials)
    refused = await reserve_attempt(
        resources.get(Database), keyring, purpose="sign_in", subjects=subjects, now=now
    )
    if refused is not None:
        return refused
    found = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, credentials.email))
    # An unknown address reads a merchant that is not there, and verifies against a dummy.
    merchant_id, member_id = found or (new_id(), new_id())
    await set_tenant(session, merchant_id)
    member = await find_member(session, merchant_id, member_id)
    stored = member.password_hash if member else None
    if not await in_hash_thread(verify_password, credentials.password, stored) or member is None:
        return Refusal("sign_in_failed")
    if password_needs_rehash(member.password_hash):
        await _store_password(
            session, merchant_id, password_hash=await in_hash_thread(hash_password, credentials.password)
        )
    await refund_attempt(session, keyring, purpose="sign_in", subjects=subjects, now=now)
    token = await open_session(session, merchant_id, member_id=member.id, role=member.role, now=now)
    return SignedIn(merchant_id, session_id_of(token), token)


async def find_member(session: AsyncSession, merchant_id: UUID, member_id: UUID) -> Member | None:
    """Return who signs in under this id: today the owner; staff with an own sign-in belong here, too."""
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == merchant_id))
    ).scalar_one_or_none()
    if merchant is None or merchant.owner_id != member_id:
        return None
    return Member(merchant.owner_id, "owner", merchant.name, merchant.password_hash)


async def open_session(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, role: str, now: datetime
) -> str:
    """Open a dashboard session and return the cookie's value: merchant, session and secret."""
    session_id, secret = new_id(), new_token()
    await session.execute(
        insert(MerchantSession).values(
            merchant_id=merchant_id,
            id=session_id,
            member_id=member_id,
            role=role,
            token_hash=hash_token(secret),
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return f"{b64(merchant_id.bytes)}.{b64(session_id.bytes)}.{secret}"


def parse_session_token(token: str) -> tuple[UUID, UUID, str] | None:
    """Return (merchant id, session id, secret) of a cookie's value, or None."""
    merchant, _, rest = token.partition(".")
    session_id, _, secret = rest.partition(".")
    try:
        return UUID(bytes=unb64(merchant)), UUID(bytes=unb64(session_id)), secret
    except ValueError:
        return None


def session_id_of(token: str) -> UUID:
    """Return the session's id in a cookie that we made."""
    parts = parse_session_token(token)
    assert parts is not None
    return parts[1]


async def find_session(
    session: AsyncSession, merchant_id: UUID, *, session_id: UUID, secret: str, now: datetime
) -> MerchantSession | None:
    """Return the session if secret and time are right; the tenant is bound already."""
    row = (
        await session.execute(
            select(MerchantSession).where(
                MerchantSession.merchant_id == merchant_id, MerchantSession.id == session_id
            )
        )
    ).scalar_one_or_none()
    if row is None or not same(row.token_hash, hash_token(secret)):
        return None
    over = is_session_over(
        last_seen_at=row.last_seen_at, expires_at=row.expires_at, revoked_at=row.revoked_at, now=now
    )
    if over:
        return None
    if now - row.last_seen_at >= SEEN_EVERY:
        await session.execute(_SEEN, {"merchant_id": merchant_id, "id": session_id, "now": now})
    return row


# A second request of the same browser does not wait for the first one's commit.
_SEEN = text(
    """UPDATE merchant_session SET last_seen_at = :now WHERE (merchant_id, id) IN (
        SELECT merchant_id, id FROM merchant_session WHERE merchant_id = :merchant_id AND id = :id
        FOR NO KEY UPDATE SKIP LOCKED)"""
)


async def list_sessions(
    session: AsyncSession, principal: Principal, *, now: datetime
) -> list[MerchantSession]:
    """Return the member's open sessions, the one used last first."""
    rows = await session.execute(
        select(MerchantSession)
        .where(
            MerchantSession.merchant_id == principal.merchant_id,
            MerchantSession.member_id == principal.id,
            MerchantSession.revoked_at.is_(None),
            MerchantSession.expires_at > now,
        )
        .order_by(MerchantSession.last_seen_at.desc(), MerchantSession.id.desc())
        .limit(SESSIONS_LISTED_MAX)
    )
    return [
        row
        for row in rows.scalars()
        if not is_session_over(
            last_seen_at=row.last_seen_at, expires_at=row.expires_at, revoked_at=row.revoked_at, now=now
        )
    ]


SESSIONS_LISTED_MAX = 100


async def revoke_sessions(
    session: AsyncSession,
    principal: Principal,
    *,
    session_id: UUID | None = None,
    keep: UUID | None = None,
    now: datetime,
) -> int:
    """End one of the member's sessions, or all of them except `keep`; returns how many ended."""
    statement = update(MerchantSession).where(
        MerchantSession.merchant_id == principal.merchant_id,
        MerchantSession.member_id == principal.id,
        MerchantSession.revoked_at.is_(None),
    )
    if session_id is not None:
        statement = statement.where(MerchantSession.id == session_id)
    if keep is not None:
        statement = statement.where(MerchantSession.id != keep)
    ended = (await session.execute(statement.values(revoked_at=now).returning(MerchantSession.id))).all()
    if ended:
        await record_audit(
            session,
            principal,
            action="session.revoked",
            target_kind="session",
            target_id=session_id,
            now=now,
            facts={"count": len(ended)},
        )
    return len(ended)


@dataclass(frozen=True, slots=True)
class ResetLink:
    """What the mail of a reset needs: the tenant, the token, the name and language of the account."""

    merchant_id: UUID
    token: str
    name: str
    locale: str


async def begin_reset(session: AsyncSession, email: str, *, now: datetime) -> ResetLink | None:
    """Make a single-use link for a known address; None for an unknown one, after the same statements."""
    keyring = resources_of(session).get(Keyring)
    found = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, email))
    merchant_id, member_id = found or (new_id(), new_id())
    await set_tenant(session, merchant_id)
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == merchant_id))
    ).scalar_one_or_none()
    if merchant is None:
        return None
    reset_id, secret = new_id(), new_token()
    await session.execute(
        insert(PasswordReset).values(
            merchant_id=merchant_id,
            id=reset_id,
            member_id=member_id,
            token_hash=hash_token(secret),
            expires_at=now + RESET_LINK_LIFETIME,
        )
    )
    return ResetLink(
        merchant_id, f"{merchant_id.hex}.{reset_id.hex}.{secret}", merchant.name, merchant.locale
    )


async def finish_reset(
    session: AsyncSession, token: str, *, password: str, now: datetime
) -> SignedIn | Refusal:
    """Set the new password of a reset link, once; ends every session and every other link of the member."""
    unusable = Refusal("link_unusable")
    reset = await _lock_reset(session, token, now=now)
    if reset is None:
        return unusable
    member = await find_member(session, reset.merchant_id, reset.member_id)
    if member is None:
        return unusable
    hashed = await hash_new_password(password, about=(member.name,))
    if isinstance(hashed, Refusal):
        return hashed
    await _store_password(session, reset.merchant_id, password_hash=hashed)
    await session.execute(
        update(PasswordReset)
        .where(
            PasswordReset.merchant_id == reset.merchant_id,
            PasswordReset.member_id == reset.member_id,
            PasswordReset.used_at.is_(None),
        )
        .values(used_at=now)
    )
    principal = Principal("member", reset.merchant_id, member.id, role=member.role)
    await revoke_sessions(session, principal, now=now)
    await record_audit(
        session, principal, action="password.reset", target_kind="member", target_id=member.id, now=now
    )
    opened = await open_session(session, reset.merchant_id, member_id=member.id, role=member.role, now=now)
    return SignedIn(reset.merchant_id, session_id_of(opened), opened)


async def _lock_reset(session: AsyncSession, token: str, *, now: datetime) -> PasswordReset | None:
    merchant_id, rest = split_token(token)
    reset_id, secret = split_token(rest)
    if merchant_id is None or reset_id is None:
        return None
    await set_tenant(session, merchant_id)
    row = (
        await session.execute(
            select(PasswordReset)
            .where(PasswordReset.merchant_id == merchant_id, PasswordReset.id == reset_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None or not same(row.token_hash, hash_token(secret)):
        return None
    return None if row.used_at is not None or now >= row.expires_at else row


async def _store_password(session: AsyncSession, merchant_id: UUID, *, password_hash: str) -> None:
    await session.execute(
        update(Merchant).where(Merchant.id == merchant_id).values(password_hash=password_hash)
    )
