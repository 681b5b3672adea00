"""Counting attempts before anything is verified: by user, by address, and by device.

A subject's count begins with its first attempt and ends a quarter of an hour later; the attempt that uses the limit
up begins that time anew, so that the pause after it is always a whole one.

A browser that has signed in before holds a signed device cookie and has a counter of its own, so that strangers
who try passwords for an address never lock its owner out. Source: OWASP, "Slow Down Online Guessing Attacks with
Device Cookies", read November 2026.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.kernel.outcomes import Refusal
from app.modules.accounts.models import SignInLimit
from app.utils.security import Keyring

LIMIT_WINDOW = timedelta(minutes=15)
# Wrong tries for one e-mail and from one address by browsers we do not know, and by one that we do.
SIGN_INS_PER_USER_MAX = 10
SIGN_INS_PER_ADDRESS_MAX = 50
SIGN_INS_PER_DEVICE_MAX = 10

Subjects = dict[str, tuple[str, int]]


async def reserve_attempt(
    database: Database, keyring: Keyring, *, purpose: str, subjects: Subjects, now: datetime
) -> Refusal | None:
    """Count an attempt for every subject (kind to value and limit) in a transaction of its own, or refuse.

    One statement each decides and counts, so that simultaneous attempts cannot pass the limit together.
    """
    async with database.sessions() as session, session.begin():
        return await count_attempt(session, keyring, purpose=purpose, subjects=subjects, now=now)


async def count_attempt(
    session: AsyncSession, keyring: Keyring, *, purpose: str, subjects: Subjects, now: datetime
) -> Refusal | None:
    """Count an attempt in the caller's transaction, for what is limited only when it happens, such as mails."""
    for kind, (value, limit) in sorted(subjects.items()):
        key = _limit_key(keyring, kind, value)
        if not await _count_one(session, f"{purpose}:{kind}", key, limit=limit, now=now):
            retry_at = await _pause_ends_at(session, f"{purpose}:{kind}", key)
            return Refusal("rate_limited", retry_at=retry_at)
    return None


async def _count_one(session: AsyncSession, kind: str, key: bytes, *, limit: int, now: datetime) -> bool:
    is_over = SignInLimit.window_start <= now - LIMIT_WINDOW
    is_last = SignInLimit.attempts + 1 >= limit
    statement = insert(SignInLimit).values(kind=kind, key=key, window_start=now, attempts=1)
    counted = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "key"],
            set_={
                "attempts": case((is_over, 1), else_=SignInLimit.attempts + 1),
                "window_start": case((or_(is_over, is_last), now), else_=SignInLimit.window_start),
            },
            where=or_(is_over, SignInLimit.attempts < limit),
        ).returning(SignInLimit.attempts)
    )
    return counted.one_or_none() is not None


async def _pause_ends_at(session: AsyncSession, kind: str, key: bytes) -> datetime:
    found = await session.execute(
        select(SignInLimit.window_start).where(SignInLimit.kind == kind, SignInLimit.key == key)
    )
    start: datetime = found.scalar_one()
    return start + LIMIT_WINDOW


async def refund_attempt(
    session: AsyncSession, keyring: Keyring, *, purpose: str, subjects: Subjects, now: datetime
) -> None:
    """Give a reserved attempt back: it was the right person."""
    for kind, (value, _limit) in sorted(subjects.items()):
        await session.execute(
            update(SignInLimit)
            .where(
                SignInLimit.kind == f"{purpose}:{kind}",
                SignInLimit.key == _limit_key(keyring, kind, value),
                SignInLimit.window_start > now - LIMIT_WINDOW,
            )
            .values(attempts=func.greatest(SignInLimit.attempts - 1, 0))
        )


def _limit_key(keyring: Keyring, kind: str, value: str) -> bytes:
    return keyring.mac("lookup", "sign-in-limit", kind, value.lower())


def sign_in_subjects(email: str, *, address: str, device: str | None) -> Subjects:
    """Return what the attempts of a sign-in are counted by. device: of a browser this e-mail signed in from."""
    if device is not None:
        return {"device": (f"{device}:{email}", SIGN_INS_PER_DEVICE_MAX)}
    return {"user": (email, SIGN_INS_PER_USER_MAX), "address": (address, SIGN_INS_PER_ADDRESS_MAX)}
