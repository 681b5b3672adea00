"""Merchants for tests: made through the use cases, with a signed-in owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from app.db.session import Database
from app.modules.accounts.factories import PASSWORD, password_hash, sign_in_as
from app.modules.merchants.service import NewMerchant, create_merchant
from app.utils.id_generator import new_id

MADE_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class MadeMerchant:
    """A merchant of a test. cookies: of the signed-in owner; headers: the same with the origin."""

    id: UUID
    owner_id: UUID
    name: str
    email: str
    password: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


async def make_merchant(database: Database, **over: str) -> MadeMerchant:
    """Make a merchant with a signed-in owner. over: name, email, locale, time_zone, currency."""
    tag = new_id().hex[-12:]
    details = {"name": "CoffeeLux", "email": f"owner-{tag}@example.com", **over}
    async with database.sessions() as session, session.begin():
        merchant = await create_merchant(
            session, NewMerchant(password_hash=password_hash(), **details), now=MADE_AT
        )
        assert merchant is not None, "the e-mail of a test is its own"
    headers = await sign_in_as(database, merchant.id, merchant.owner_id, now=MADE_AT)
    name, _, token = headers["Cookie"].partition("=")
    return MadeMerchant(
        id=merchant.id,
        owner_id=merchant.owner_id,
        name=merchant.name,
        email=merchant.email,
        password=PASSWORD,
        cookies={name: token},
        headers=headers,
    )
