"""Half signed in: the password was right, the second factor is still asked for.

The state lives ten minutes, ends with its use, is stored as a hash, and allows few tries; a member's tries are
counted over all such states, too, because whoever knows the password can begin a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, let_go, set_tenant, tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.modules.accounts.hooks import SIGN_IN_FACTOR, MemberRef, SignInFactor
from app.modules.accounts.members import MemberView, find_member
from app.modules.accounts.models import HalfSignIn
from app.modules.accounts.signing_in.browser import Browser, known_device
from app.modules.accounts.signing_in.limits import Subjects, refund_attempt, reserve_attempt
from app.modules.accounts.signing_in.sessions import parse_session_token
from app.utils.id_generator import new_id
from app.utils.security import Keyring, b64, hash_token, new_token, same

HALF_COOKIE = "half_sign_in"
HALF_LIFETIME = timedelta(minutes=10)
HALF_TRIES_MAX = 10
# Wrong codes of a member from browsers we do not know, and from each that we do, in a window of fifteen minutes.
FACTOR_TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class HalfSignedIn:
    """A sign-in that goes on at page_url; token: the value of its cookie."""

    token: str
    page_url: str


async def required_factor(session: AsyncSession, member: MemberRef) -> SignInFactor | None:
    """Return the second factor that this member has set up, or None."""
    for _key, factor in SIGN_IN_FACTOR.items():
        if await factor.is_required(session, member):
            return factor
    return None


async def begin_half_sign_in(
    session: AsyncSession, member: MemberView, *, page_url: str, now: datetime
) -> HalfSignedIn:
    """Remember that the password was right."""
    half_id, secret = new_id(), new_token()
    await session.execute(
        insert(HalfSignIn).values(
            merchant_id=member.merchant_id,
            id=half_id,
            member_id=member.id,
            token_hash=hash_token(secret),
            attempts=0,
            expires_at=now + HALF_LIFETIME,
        )
    )
    return HalfSignedIn(f"{b64(member.merchant_id.bytes)}.{b64(half_id.bytes)}.{secret}", page_url)


async def find_half_sign_in(session: AsyncSession, token: str, *, now: datetime) -> MemberRef | None:
    """Return who the cookie's value stands for while it may still be finished; binds the tenant."""
    member = await _find(session, token, now=now)
    return member.ref if member else None


async def _find(session: AsyncSession, token: str, *, now: datetime) -> MemberView | None:
    parts = parse_session_token(token)
    if parts is None:
        return None
    merchant_id, half_id, secret = parts
    await set_tenant(session, merchant_id)
    row = (
        await session.execute(
            select(HalfSignIn).where(HalfSignIn.merchant_id == merchant_id, HalfSignIn.id == half_id)
        )
    ).scalar_one_or_none()
    if row is None or not same(row.token_hash, hash_token(secret)):
        return None
    if row.used_at is not None or now >= row.expires_at:
        return None
    return await find_member(session, merchant_id, row.member_id)


async def try_half_sign_in(
    session: AsyncSession, token: str, *, browser: Browser, now: datetime
) -> MemberRef | Refusal:
    """Reserve one try of a code, counted whatever follows; call it before verifying anything.

    Refuses link_unusable (sign in again) or rate_limited.
    """
    member = await _find(session, token, now=now)
    parts = parse_session_token(token)
    if member is None or parts is None:
        return Refusal("link_unusable")
    database = resources_of(session).get(Database)
    async with let_go(session):
        is_counted = await _count_try(database, parts[0], half_id=parts[1])
    if not is_counted:
        return Refusal("link_unusable")
    return await reserve_factor_try(session, member.ref, browser=browser, now=now) or member.ref


async def _count_try(database: Database, merchant_id: UUID, *, half_id: UUID) -> bool:
    async with tenant_scope(database, merchant_id) as session:
        counted = await session.execute(
            update(HalfSignIn)
            .where(
                HalfSignIn.merchant_id == merchant_id,
                HalfSignIn.id == half_id,
                HalfSignIn.attempts < HALF_TRIES_MAX,
            )
            .values(attempts=HalfSignIn.attempts + 1)
            .returning(HalfSignIn.attempts)
        )
        return counted.one_or_none() is not None


def _subjects(keyring: Keyring, member: MemberRef, browser: Browser) -> Subjects:
    device = known_device(keyring, browser, member.email)
    kind, value = ("device", f"{device}:{member.member_id}") if device else ("user", str(member.member_id))
    return {kind: (value, FACTOR_TRIES_MAX)}


async def reserve_factor_try(
    session: AsyncSession, member: MemberRef, *, browser: Browser, now: datetime
) -> Refusal | None:
    """Count one try of a member's second factor, or refuse with rate_limited."""
    resources = resources_of(session)
    keyring = resources.get(Keyring)
    subjects = _subjects(keyring, member, browser)
    async with let_go(session):
        return await reserve_attempt(
            resources.get(Database), keyring, purpose="factor", subjects=subjects, now=now
        )


async def refund_factor_try(
    session: AsyncSession, member: MemberRef, *, browser: Browser, now: datetime
) -> None:
    """Give a try back: the code was right."""
    keyring = resources_of(session).get(Keyring)
    await refund_attempt(
        session, keyring, purpose="factor", subjects=_subjects(keyring, member, browser), now=now
    )


async def use_half_sign_in(session: AsyncSession, token: str, *, now: datetime) -> MemberView | None:
    """Use the state up and return its member; None for all but the first of simultaneous calls."""
    member = await _find(session, token, now=now)
    parts = parse_session_token(token)
    if member is None or parts is None:
        return None
    used = await session.execute(
        update(HalfSignIn)
        .where(HalfSignIn.merchant_id == parts[0], HalfSignIn.id == parts[1], HalfSignIn.used_at.is_(None))
        .values(used_at=now)
        .returning(HalfSignIn.id)
    )
    return member if used.one_or_none() is not None else None
