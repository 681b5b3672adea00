"""A shop whose friends bring friends: browsers, the till and the worker, with short ways to use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import func, select, update

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.settings import save_settings
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.portal.tests.helpers import send_form
from app.modules.referrals.jobs import look_at_card
from app.modules.referrals.links import link_url
from app.modules.referrals.models import Referral
from app.modules.referrals.settings import ReferralSettings
from app.modules.rewards.public import Gift
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import Process
from tests.shop import OpenShop

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = timedelta(minutes=16)
SETTINGS = ReferralSettings(inviter_points=50, inviter_stamps=0, friend_points=20, friend_stamps=0)


@dataclass
class Shop(OpenShop):
    """A points shop: 50 points for who brings a friend, 20 for the friend, after the first purchase."""

    app: Any
    manager_pin: str
    browsers: list[httpx2.AsyncClient] = field(default_factory=list)

    @asynccontextmanager
    async def tenant(self) -> AsyncIterator[Any]:
        """Open a transaction of the shop."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            yield session

    def browser(self) -> httpx2.AsyncClient:
        """Return a browser that holds nothing yet."""
        made = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="http://testserver",
        )
        self.browsers.append(made)
        return made

    async def card(self, **details: Any) -> MadeCard:
        """Make a card that nobody brought along."""
        return await make_card(self.database, self.store, now=self.clock.at, **details)

    async def link(self, card_id: UUID) -> str:
        """Return the path of a card's personal link."""
        async with self.tenant() as session:
            url = await link_url(session, self.merchant.id, card_id)
        assert url is not None
        return "/invite/" + url.split("/invite/")[1]

    async def invite(
        self, inviter: UUID, *, browser: httpx2.AsyncClient | None = None, **fields: str
    ) -> UUID:
        """Follow a card's link, take it up and join, as a friend does; return the friend's card."""
        browser = browser or self.browser()
        path = await self.link(inviter)
        taken = await send_form(browser, path, path)
        assert (taken.status_code, taken.headers["location"]) == (303, f"/join/{self.store.id}"), taken.text
        join = f"/join/{self.store.id}"
        joined = await send_form(browser, f"{join}?new", join, **fields)
        assert joined.status_code == 303, joined.text
        return UUID(joined.headers["location"].rsplit("/", 1)[1])

    async def buy(
        self, card_id: UUID, amount: str = "10.00", *, browser: httpx2.AsyncClient | None = None
    ) -> str:
        """Enter a purchase, on a phone if one is named; return the visit."""
        granted = await self.enter_purchase(browser or self.browser(), card_id, amount)
        return str(granted["visit_id"])

    async def undo(self, visit_id: str) -> None:
        """Take a visit back, as a manager."""
        answer = await self.take_back(self.browser(), visit_id, pin=self.manager_pin, force=True)
        assert answer.status_code == 201, answer.text

    async def look(self, card_id: UUID) -> None:
        """Look at the friends a card has to do with, as the worker does."""
        await look_at_card.function(self.context(), pass_id=card_id)

    async def buy_and_wait(self, card_id: UUID) -> str:
        """Buy something, let the time to undo it pass, and let the worker look."""
        visit = await self.buy(card_id)
        self.clock.at += LATER
        await self.look(card_id)
        return visit

    async def points(self, card_id: UUID) -> int:
        """Return a card's points."""
        async with self.tenant() as session:
            return int(
                await session.scalar(select(PassObject.points_balance).where(PassObject.id == card_id)) or 0
            )

    async def row(self, friend: UUID) -> Referral:
        """Return what is kept about a friend."""
        async with self.tenant() as session:
            found = await session.scalar(select(Referral).where(Referral.friend_pass_id == friend))
            assert found is not None
            return found

    async def count(self, model: Any) -> int:
        """Count the shop's rows."""
        async with self.tenant() as session:
            return int(
                await session.scalar(select(func.count()).where(model.merchant_id == self.merchant.id)) or 0
            )

    async def gifts(self) -> int:
        """Count the gifts of the shop."""
        return await self.count(Gift)

    async def set(self, settings: ReferralSettings) -> None:
        """Keep settings."""
        async with self.tenant() as session:
            await save_settings(session, settings, merchant_id=self.merchant.id)

    async def switch(self, *modules: str) -> None:
        """Switch features on; all others are off then."""
        async with self.tenant() as session:
            await session.execute(
                update(Merchant).where(Merchant.id == self.merchant.id).values(modules_on=list(modules))
            )

    async def status(self, card_id: UUID, status: str) -> None:
        """Set a card's status."""
        async with self.tenant() as session:
            await session.execute(update(PassObject).where(PassObject.id == card_id).values(status=status))


async def open_shop(process: Process, app: Any, clock: FixedClock) -> Shop:
    """Return a fresh shop with the feature on."""
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "points", visits_per_day=0)
    _, pin = await make_staff(process.database, store)
    _, manager_pin = await make_staff(process.database, store, name="Luc", role="manager")
    shop = Shop(process, clock, merchant, store, pin, app, manager_pin)
    await shop.switch("referrals")
    await shop.set(SETTINGS)
    return shop
