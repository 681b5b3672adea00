"""Makes customers for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.db.session import Database, tenant_scope
from app.modules.customers import service
from app.modules.customers.public import (
    CustomerDetails,
    CustomerView,
    confirm_email,
    create_customer,
    get_customer,
)


async def make_customer(
    database: Database, merchant: Any, *, verified: bool = False, now: datetime | None = None, **details: Any
) -> CustomerView:
    """Add a customer to a merchant (anything with an id); verified: the mailbox has confirmed the address."""
    now = now or datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    async with tenant_scope(database, merchant.id) as session:
        made = await create_customer(session, merchant.id, CustomerDetails(**details), now=now, source="test")
        if verified:
            await session.flush()  # confirming reads the row anew
            await confirm_email(session, merchant.id, made.id, now=now)
            await session.flush()
            made = await get_customer(session, merchant.id, made.id)
    return made


async def make_agreed_crowd(database: Database, merchant: Any, count: int, *, now: datetime) -> list[UUID]:
    """Add so many people who agreed to mails and confirmed their address; all of them in few statements."""
    people = [
        service.new_customer(
            merchant.id, CustomerDetails(name=f"Guest {n}", email=f"guest{n}@example.com"), now=now
        )
        for n in range(count)
    ]
    async with tenant_scope(database, merchant.id) as session:
        session.add_all(people)
        await session.flush()  # the consents point at these rows
        for person in people:
            await service._write_consent(
                session, person, given=True, locale=person.locale, source="join_page", now=now
            )
            person.email_verified_at = person.consent_confirmed_at = now
        await session.flush()
    return [person.id for person in people]
