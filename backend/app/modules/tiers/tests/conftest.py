"""A shop with levels, and short ways to use it over HTTP, with the worker's jobs run by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, add_level, change_settings
from app.modules.tiers.jobs import weigh_all, weigh_card
from app.modules.tiers.models import TierLevel, TierMove, TierStanding
from app.modules.tiers.settings import TierSettings
from app.process import Process
from tests.shop import OpenShop

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class Shop(OpenShop):
    """A shop with levels at 0, 100 and 300 euros, and short ways to use it."""

    client: httpx2.AsyncClient
    manager_pin: str

    async def ladder(self, *drafts: LevelDraft, settings: TierSettings | None = None) -> None:
        """Set the levels up and let every card be looked at."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            if settings is not None:
                await change_settings(session, self.owner, settings, now=self.clock.at)
            for draft in drafts:
                await add_level(session, self.owner, draft, now=self.clock.at)
        await weigh_all.function(self.context())

    async def card(self, **over: Any) -> MadeCard:
        """Make a card."""
        made = await make_card(self.database, self.store, now=self.clock.at, **over)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                update(PassObject).where(PassObject.id == made.id).values(created_at=self.clock.at)
            )
        await self.weigh(made)
        return made

    async def buy(self, card: MadeCard, amount: str) -> dict[str, Any]:
        """Enter a purchase at the till, and let the worker look at the card."""
        granted = await self.enter_purchase(self.client, card.id, amount)
        await self.weigh(card)
        return granted

    async def undo(self, visit_id: str) -> None:
        """Take a visit back, as a manager."""
        answer = await self.take_back(self.client, visit_id, pin=self.manager_pin, force=True)
        assert answer.status_code == 201, answer.text

    async def weigh(self, card: MadeCard) -> None:
        """Look at one card, as the worker does."""
        await weigh_card.function(self.context(), pass_id=card.id)

    async def level(self, card: MadeCard) -> str | None:
        """Return the name of the card's level, which its trait and its standing agree on."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(TierStanding, (self.merchant.id, card.id))
            found = await session.get(PassObject, (self.merchant.id, card.id))
            assert found is not None
            level_id = row.level_id if row else None
            assert found.traits == ({"tiers": {"level": str(level_id)}} if level_id else {})
            return await session.scalar(select(TierLevel.name).where(TierLevel.id == level_id))

    async def moves(self) -> list[tuple[str, str]]:
        """Return every move of the shop as (day, why)."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(select(TierMove).order_by(TierMove.id))
            return [(row.on_day.isoformat(), row.why) for row in rows]

    async def switch(self, *modules: str) -> None:
        """Switch features on; all others are off then."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                update(Merchant).where(Merchant.id == self.merchant.id).values(modules_on=list(modules))
            )


SILVER = LevelDraft("Silver", 10_000, Decimal("1.25"), "A biscuit", entry_points=20)


GOLD = LevelDraft("Gold", 30_000, Decimal("1.5"), "The window seat")


@pytest.fixture
async def shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Shop:
    """Return a points shop with silver at 100 and gold at 300 euros a year."""
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "points", visits_per_day=0)
    _, pin = await make_staff(process.database, store)
    _, manager_pin = await make_staff(process.database, store, name="Luc", role="manager")
    made = Shop(process, clock, merchant, store, pin, client, manager_pin)
    await made.switch("tiers")
    await made.ladder(SILVER, GOLD)
    return made
