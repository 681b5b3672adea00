"""Customers who stay away are erased after as many months as the merchant says, and nobody else."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.settings import save_settings
from app.modules.cards.factories import make_card
from app.modules.customers.models import Customer
from app.modules.merchants.factories import make_merchant
from app.modules.privacy.retention import erase_inactive
from app.modules.privacy.rules import months_before
from app.modules.privacy.settings import PrivacySettings
from app.modules.stores.factories import make_store


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [
        (datetime(2026, 11, 20, tzinfo=UTC), 12, datetime(2025, 11, 20, tzinfo=UTC)),
        (datetime(2026, 3, 31, tzinfo=UTC), 1, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2024, 2, 29, tzinfo=UTC), 12, datetime(2023, 2, 28, tzinfo=UTC)),
        (datetime(2026, 1, 15, tzinfo=UTC), 36, datetime(2023, 1, 15, tzinfo=UTC)),
    ],
)
def test_months_are_counted_by_the_calendar(now, months, expected):
    """The same day so many months ago, or the last day that month has."""
    assert months_before(now, months) == expected


async def test_only_who_stayed_away_is_erased(database, clock):
    """On both sides of the limit; a visit or a young card keeps somebody; off keeps everybody."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    limit = months_before(clock.now(), 12)
    old = limit - timedelta(days=400)
    names = {
        "gone": {"now": old, "columns": {"last_visit_at": limit - timedelta(seconds=1)}},
        "never came": {"now": limit - timedelta(seconds=1)},
        "came": {"now": old, "columns": {"last_visit_at": limit}},
        "young": {"now": limit},
    }
    for name, options in names.items():
        await make_card(database, store, name=name, **options)

    async def left():
        async with tenant_scope(database, merchant.id) as session:
            rows = await session.scalars(select(Customer.name).where(Customer.erased_at.is_(None)))
            return set(rows)

    async with tenant_scope(database, merchant.id) as session:
        assert await erase_inactive(session, merchant.id, now=clock.now()) == 0
    assert await left() == set(names)
    async with tenant_scope(database, merchant.id) as session:
        await save_settings(session, PrivacySettings(inactive_months=12), merchant_id=merchant.id)
    async with tenant_scope(database, merchant.id) as session:
        assert await erase_inactive(session, merchant.id, now=clock.now()) == 2
    assert await left() == {"came", "young"}
