"""Makes customers for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.session import Database, tenant_scope
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
