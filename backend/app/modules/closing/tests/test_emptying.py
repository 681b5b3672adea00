"""What is left of an erased business goes in short steps, and its stores keep nothing but name and rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update

from app.db.base import Base
from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.modules.closing import erasing
from app.modules.closing.erasing import removable_tables
from app.modules.closing.jobs import empty
from app.modules.closing.models import BusinessClosing
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.stores.factories import make_store
from app.modules.stores.models import Program, Store

from .test_closing import Shop, shop

__all__ = ["shop"]

ROWS = 3


class Interrupted(Exception):
    """The worker was told to stop."""


class ShortClock(FixedClock):
    """A clock that tells the time twice, and then the worker is gone."""

    asked = 0

    def now(self) -> datetime:
        """Return the moment, or interrupt whoever asks for it the third time."""
        self.asked += 1
        if self.asked > 2:
            raise Interrupted
        return super().now()


async def _left(shop: Shop) -> int:  # noqa: F811
    tables: list[Table] = [*removable_tables(), Base.metadata.tables["lookup"]]
    rows = 0
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        for table in tables:
            found = select(func.count()).select_from(table).where(table.c.merchant_id == shop.merchant.id)
            rows += await session.scalar(found) or 0
    return rows


async def _erase(shop: Shop) -> None:  # noqa: F811
    """Close it, and let the people go; what is left waits for its wallets."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=30)
    await shop.work()
    shop.clock.at += timedelta(days=3)


async def test_emptying_goes_on_where_it_was_interrupted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """After two steps their rows are gone for good and the business is not said to be empty; the rest follows."""
    monkeypatch.setattr(erasing, "ROWS", ROWS)
    await _erase(shop)
    before, made = await _left(shop), shop.process
    context = JobContext(
        made.database,
        made.settings,
        ShortClock(shop.clock.at),
        made.registry,
        made.resources,
        merchant_id=shop.merchant.id,
    )
    with pytest.raises(Interrupted):
        await empty(context)

    assert before > 2 * ROWS
    assert await _left(shop) == before - 2 * ROWS
    assert await shop.one(select(BusinessClosing.emptied_at)) is None
    assert await shop.one(select(Merchant.name).where(Merchant.id == shop.merchant.id)) == "CoffeeLux"
    await shop.work()
    assert await _left(shop) == 0
    assert await shop.one(select(BusinessClosing.emptied_at)) == shop.clock.at
    assert await shop.one(select(Merchant.name).where(Merchant.id == shop.merchant.id)) == "–"


async def test_stores_of_an_emptied_business_keep_only_name_and_rules(shop: Shop) -> None:  # noqa: F811
    """Address, place, opening hours, the shared PIN and the texts on the card are gone; another shop's are not."""
    other = await make_other(shop)
    said: dict[str, Any] = {
        "address": "1 Grand-Rue",
        "latitude": 49.6,
        "longitude": 6.1,
        "opening_hours": {"mon": [["08:00", "18:00"]]},
        "staff_pin_hash": b"verifier",
        "staff_pin_since": shop.clock.at,
        "pin_salt": b"salt of the shop",
    }
    for merchant_id in (shop.merchant.id, other):
        async with tenant_scope(shop.process.database, merchant_id) as session:
            await session.execute(update(Store).values(**said))
            await session.execute(update(Program).values(design={"contact": "+352 621 000 000"}))
    await _erase(shop)
    await shop.work()

    columns = [getattr(Store, name) for name in said]
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        *blank, salt = (await session.execute(select(*columns))).one()
        name = await session.scalar(select(Store.name))
        design = await session.scalar(select(Program.design))
    async with tenant_scope(shop.process.database, other) as session:
        theirs = tuple((await session.execute(select(*columns))).one())
    assert (blank, design) == ([None, None, None, {}, None, None], {})
    assert (salt != said["pin_salt"], name) == (True, shop.store.name)
    assert theirs == tuple(said.values())


async def make_other(shop: Shop) -> Any:  # noqa: F811
    """Make another business with a store of its own and return its id."""
    merchant = await make_merchant(shop.process.database)
    await make_store(shop.process.database, merchant)
    return merchant.id
