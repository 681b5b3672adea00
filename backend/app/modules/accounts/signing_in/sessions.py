"""Dashboard sessions: opened, recognised, listed, ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.permissions import Principal
from app.modules.accounts.members import MemberView
from app.modules.accounts.models import HalfSignIn, MerchantSession
from app.modules.accounts.rules import SEEN_EVERY, SESSION_LIFETIME, is_session_over
from app.modules.accounts.signing_in.browser import Browser, device_after
from app.utils.id_generator import new_id
from app.utils.security import Keyring, b64, hash_token, new_token, same, unb64

SESSION_COOKIE = "session"
SESSIONS_LISTED_MAX = 100


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session. token and device: the values of the session's and the device's cookie.

    is_new_device: this member never signed in from this browser.
    """

    merchant_id: UUID
    session_id: UUID
    token: str
    device: str
    is_new_device: bool


async def open_session(
    session: AsyncSession, member: MemberView, *, browser: Browser, now: datetime
) -> SignedIn:
    """Open a session for a member whose every factor was right; the cookie: merchant, session and secret."""
    session_id, secret = new_id(), new_token()
    device, cookie = device_after(resources_of(session).get(Keyring), browser, member.email)
    is_new = not await _has_signed_in_from(session, member, device_hash=hash_token(device))
    await session.execute(
        insert(MerchantSession).values(
            merchant_id=member.merchant_id,
            id=session_id,
            member_id=member.id,
            role=member.role,
            token_hash=hash_token(secret),
            browser=browser.name,
            device_hash=hash_token(device),
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    token = f"{b64(member.merchant_id.bytes)}.{b64(session_id.bytes)}.{secret}"
    return SignedIn(member.merchant_id, session_id, token, cookie, is_new)


async def _has_signed_in_from(session: AsyncSession, member: MemberView, *, device_hash: bytes) -> bool:
    found = await session.execute(
        select(MerchantSession.id)
        .where(
            MerchantSession.merchant_id == member.merchant_id,
            MerchantSession.member_id == member.id,
            MerchantSession.device_hash == device_hash,
            MerchantSession.disowned_at.is_(None),
        )
        .limit(1)
    )
    return found.first() is not None


def parse_session_token(token: str) -> tuple[UUID, UUID, str] | None:
    """Return (merchant id, session id, secret) of a cookie's value, or None."""
    merchant, _, rest = token.partition(".")
    session_id, _, secret = rest.partition(".")
    try:
        return UUID(bytes=unb64(merchant)), UUID(bytes=unb64(session_id)), secret
    except ValueError:
        return None


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
    if session_id is None:
        await _end_half_sign_ins(session, principal, now=now)
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


async def _end_half_sign_ins(session: AsyncSession, principal: Principal, *, now: datetime) -> None:
    """End the sign-ins that still wait for a second factor: the password they were right with may be known."""
    await session.execute(
        update(HalfSignIn)
        .where(
            HalfSignIn.merchant_id == principal.merchant_id,
            HalfSignIn.member_id == principal.id,
            HalfSignIn.used_at.is_(None),
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )


def principal_of(member: MemberView) -> Principal:
    """Return the member as the one who acts, for what happens before a session is open."""
    return Principal("member", member.merchant_id, member.id, role=member.role)
