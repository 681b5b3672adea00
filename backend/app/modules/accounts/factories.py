"""Open sessions and members for tests."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.accounts.members import find_member
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE, SignedIn, open_session
from app.utils.security import hash_password

PASSWORD = "plum-orchard-tandem-42"  # noqa: S105 (a test password)


@cache
def password_hash() -> str:
    """Return the hash of the tests' password, computed once a run."""
    return hash_password(PASSWORD)


async def make_session(
    session: AsyncSession, merchant_id: UUID, member_id: UUID, *, now: datetime
) -> SignedIn:
    """Open a session of a member of the bound tenant."""
    member = await find_member(session, merchant_id, member_id)
    assert member is not None, "a session is somebody's"
    return await open_session(session, member, browser=Browser(), now=now)


__all__ = ["PASSWORD", "SESSION_COOKIE", "make_session", "password_hash"]
