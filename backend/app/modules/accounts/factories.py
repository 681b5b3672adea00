"""Open sessions and members for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import add_lookup
from app.db.session import Database, tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.web.cookies import cookie_name
from app.modules.accounts.members import find_member
from app.modules.accounts.models import Member
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE, SignedIn, open_session
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_password

PASSWORD = "plum-orchard-tandem-42"  # noqa: S105 (a test password)
MADE_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class MadeMember:
    """A member of a test. cookies: of the signed-in member; headers: the same with the origin."""

    id: UUID
    merchant_id: UUID
    role: str
    email: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


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


async def sign_in_as(
    database: Database, merchant_id: UUID, member_id: UUID, *, now: datetime = MADE_AT
) -> dict[str, str]:
    """Open a session and return the headers of a browser that holds its cookie."""
    async with tenant_scope(database, merchant_id) as session:
        opened = await make_session(session, merchant_id, member_id, now=now)
    name = cookie_name(database.settings, SESSION_COOKIE)
    return {"Cookie": f"{name}={opened.token}", "Origin": database.settings.public_url}


async def make_member(
    database: Database, merchant_id: UUID, role: str, *, store_ids: tuple[UUID, ...] = ()
) -> MadeMember:
    """Make a signed-in member with the tests' password."""
    member_id = new_id()
    email = f"{role}-{member_id.hex[-12:]}@example.com"
    async with tenant_scope(database, merchant_id) as session:
        key = email_key(resources_of(session).get(Keyring), email)
        added = await add_lookup(session, EMAIL_LOOKUP, key, merchant_id=merchant_id, target_id=member_id)
        assert added, "the e-mail of a test is its own"
        await session.execute(
            insert(Member).values(
                merchant_id=merchant_id,
                id=member_id,
                email=email,
                password_hash=password_hash(),
                name="",
                role=role,
                store_ids=list(store_ids),
                joined_at=MADE_AT,
            )
        )
    headers = await sign_in_as(database, merchant_id, member_id)
    name, _, token = headers["Cookie"].partition("=")
    return MadeMember(member_id, merchant_id, role, email, {name: token}, headers)
