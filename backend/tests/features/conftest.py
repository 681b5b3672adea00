"""A shop with levels, birthdays, friends and cashback, and one customer who has something of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.settings import save_settings
from app.modules.birthdays.jobs import give
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.public import CardJoined
from app.modules.cashback.service import change_settings
from app.modules.cashback.settings import CashbackSettings
from app.modules.customers.public import Birthday
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.referrals.jobs import look_at_card
from app.modules.referrals.links import add_referral
from app.modules.referrals.settings import ReferralSettings
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, add_level
from app.modules.tiers.jobs import weigh_card
from app.process import Process
from tests.shop import OpenShop

FEATURES = ("tiers", "birthdays", "referrals", "cashback")
NOON = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
LEVEL = "Silver & Co. “ünder” <b>"


@dataclass
class Shop(OpenShop):
    """A shop of stamps and points with all four features, and the card of somebody with something of each."""

    client: httpx2.AsyncClient

    async def switch(self, name: str, *, is_on: bool) -> None:
        """Switch a feature on or off, as the owner does."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await switch_feature(session, self.owner, name, is_on=is_on, now=self.clock.at)

    async def buy(self, pass_id: UUID, amount: str) -> dict[str, Any]:
        """Enter a purchase at the till."""
        return await self.enter_purchase(self.client, pass_id, amount)

    async def regular(self, **details: Any) -> MadeCard:
        """Return a card with a level, a birthday today, credit, and a friend who brought a gift."""
        card, friend = await self.two_friends(**details)
        await self.look_at(card, friend)
        return card

    async def two_friends(self, **details: Any) -> tuple[MadeCard, MadeCard]:
        """Return the card of somebody with a birthday today and a friend's; both bought, nothing was given yet."""
        known = {"name": "Ana", "birthday": Birthday(20, 11, 1990), **details}
        card = await make_card(self.database, self.store, now=NOON - timedelta(days=9), **known)
        friend = await make_card(self.database, self.store, now=NOON)
        async with tenant_scope(self.database, self.merchant.id) as session:
            joined = CardJoined(
                session,
                self.merchant.id,
                friend.id,
                friend.customer_id,
                self.store.id,
                friend.program_id,
                source="join_page",
                now=NOON,
            )
            await add_referral(joined, card.id, same_device=False)
        await self.buy(card.id, "100.00")
        await self.buy(friend.id, "10.00")
        return card, friend

    async def look_at(self, card: MadeCard, friend: MadeCard) -> None:
        """Do what the worker does for the two: their levels, the birthday, and what bringing a friend gives."""
        await weigh_card.function(self.context(), pass_id=card.id)
        await give.function(self.context(), customer_id=card.customer_id)
        self.clock.at = max(self.clock.at, NOON + timedelta(minutes=16))
        await look_at_card.function(self.context(), pass_id=friend.id)


@pytest.fixture
async def shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock, app: Any) -> Shop:
    """Return the shop; all requests come from one address, which has fresh tries."""
    await app.state.limiter.reset()
    clock.at = NOON
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "hybrid", visits_per_day=0, cooldown_minutes=0)
    _, pin = await make_staff(process.database, store, role="manager")
    made = Shop(process, clock, merchant, store, pin, client)
    for name in FEATURES:
        await made.switch(name, is_on=True)
    async with tenant_scope(process.database, merchant.id) as session:
        await change_settings(session, made.owner, CashbackSettings(rate_bp=1_000), now=NOON)
        gift = BirthdaySettings(kind="points", points=50, factor=Decimal(2))
        friends = ReferralSettings(inviter_points=30, inviter_stamps=0, friend_points=20, friend_stamps=0)
        await save_settings(session, gift, merchant_id=merchant.id)
        await save_settings(session, friends, merchant_id=merchant.id)
        level = LevelDraft(LEVEL, 10_000, Decimal("1.25"), "The window seat")
        await add_level(session, made.owner, level, now=NOON)
    return made
