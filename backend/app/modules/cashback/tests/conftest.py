"""A shop with cashback, and short ways to use it over HTTP, with the worker's jobs run by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.ledger import INVARIANT
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cashback.jobs import catch_up, expire_due
from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot
from app.modules.cashback.service import change_settings
from app.modules.cashback.settings import CashbackSettings
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import Process
from tests.shop import OpenShop


@dataclass
class Shop(OpenShop):
    """A shop with cashback of ten percent for twelve months, and short ways to use it."""

    client: httpx2.AsyncClient
    manager_pin: str

    async def switch(self, *, is_on: bool) -> None:
        """Switch cashback as a member does, and let the worker catch up."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await switch_feature(session, self.owner, "cashback", is_on=is_on, now=self.clock.at)
        if is_on:
            await catch_up.function(self.context())

    async def set(self, **values: Any) -> None:
        """Change how cashback works."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await change_settings(session, self.owner, CashbackSettings(**values), now=self.clock.at)

    async def card(self, **over: Any) -> MadeCard:
        """Make a card."""
        return await make_card(self.database, self.store, now=self.clock.at, **over)

    async def ask(
        self, card: MadeCard, amount: str, *, credit: str | None = None, key: str | None = None
    ) -> httpx2.Response:
        """Enter a purchase at the till with the staff's PIN, as the customer's phone does."""
        body: dict[str, Any] = {"pass_id": str(card.id), "staff_pin": self.pin, "amount": amount}
        if credit is not None:
            body["tenders"] = {"credit": credit}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/points/{self.store.id}", json=body, headers=headers)

    async def buy(self, card: MadeCard, amount: str, **over: Any) -> dict[str, Any]:
        """Enter a purchase that is granted."""
        answer = await self.ask(card, amount, **over)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def undo(self, visit: dict[str, Any], *, force: bool = False) -> httpx2.Response:
        """Take a visit back, as a manager."""
        return await self.take_back(self.client, visit["visit_id"], pin=self.manager_pin, force=force)

    async def expire(self) -> None:
        """Take off what has run out, as the worker does."""
        await expire_due.function(self.context())

    async def balance(self, card: MadeCard) -> int:
        """Return what the account says."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(CreditAccount, (self.merchant.id, card.id))
            return row.balance_minor if row else 0

    async def entries(self, card: MadeCard) -> list[tuple[str, int]]:
        """Return the card's movements, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(CreditEntry).where(CreditEntry.pass_id == card.id).order_by(CreditEntry.id)
            )
            return [(row.kind, row.amount_minor) for row in rows]

    async def lots(self, card: MadeCard) -> list[tuple[int, str]]:
        """Return (remaining, last moment) of the card's lots that hold something."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(CreditLot)
                .where(CreditLot.pass_id == card.id, CreditLot.remaining_minor > 0)
                .order_by(CreditLot.expires_at)
            )
            return [(row.remaining_minor, f"{row.expires_at:%Y-%m-%d}") for row in rows]

    async def violations(self) -> list[str]:
        """Return what `check` finds wrong with credit."""
        found = []
        async with tenant_scope(self.database, self.merchant.id) as session:
            for name in ("credit", "credit_lots", "points", "points_lots"):
                found += [one.detail for one in await INVARIANT.get(name)(session)]
        return found


Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def open_shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Open:
    """Return what opens a shop with cashback."""

    async def make(currency: str = "EUR", **settings: Any) -> Shop:
        merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency=currency)
        store = await make_store(process.database, merchant, "points", visits_per_day=0)
        _, pin = await make_staff(process.database, store)
        _, manager_pin = await make_staff(process.database, store, name="Luc", role="manager")
        shop = Shop(process, clock, merchant, store, pin, client, manager_pin)
        await shop.switch(is_on=True)
        await shop.set(**{"rate_bp": 1_000, **settings})
        return shop

    return make


@pytest.fixture
async def shop(open_shop: Open) -> Shop:
    """Return a shop in euros."""
    return await open_shop()
