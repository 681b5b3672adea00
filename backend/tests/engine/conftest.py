"""A shop ready to give stamps, and short ways to ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.kernel.ledger import INVARIANT
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store


@dataclass
class Shop:
    """A store with a cashier and a manager, and the client to call it with."""

    database: Database
    client: httpx2.AsyncClient
    merchant: Any
    store: Any
    pin: str
    manager_pin: str

    async def card(self, **over: Any) -> MadeCard:
        """Make a card of the store's programme."""
        return await make_card(self.database, self.store, **over)

    async def stamp(self, card: Any, *, key: str | None = None, **body: Any) -> httpx2.Response:
        """Ask for a stamp with the cashier's PIN."""
        body = {"pass_id": str(getattr(card, "id", card)), "staff_pin": self.pin} | body
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/stamp/{self.store.id}", json=body, headers=headers)

    async def points(self, card: Any, amount: Any, *, key: str | None = None, **body: Any) -> httpx2.Response:
        """Ask for points with the cashier's PIN."""
        body = {"pass_id": str(getattr(card, "id", card)), "staff_pin": self.pin, "amount": amount} | body
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/points/{self.store.id}", json=body, headers=headers)

    async def redeem(
        self, card: Any, reward_id: str, *, key: str | None = None, **body: Any
    ) -> httpx2.Response:
        """Ask for a reward with the cashier's PIN."""
        body = {"pass_id": str(card.id), "reward_id": reward_id, "staff_pin": self.pin} | body
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/rewards/{self.store.id}/redeem", json=body, headers=headers)

    async def void(
        self, what: str, target_id: str, *, pin: str | None = None, **body: Any
    ) -> httpx2.Response:
        """Ask to take a visit or redemption back."""
        body = {"store_id": str(self.store.id), "staff_pin": pin or self.pin, "reason": "typed twice"} | body
        return await self.client.post(f"/{what}/{target_id}/void", json=body)

    async def count(self, model: Any, **where: Any) -> int:
        """Count the merchant's rows of a table."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            query = select(func.count()).select_from(model).filter_by(**where)
            return int(await session.scalar(query) or 0)

    async def row(self, card: Any) -> Any:
        """Return the card's row."""
        from app.modules.cards.models import PassObject

        async with tenant_scope(self.database, self.merchant.id) as session:
            return await session.get(PassObject, (self.merchant.id, UUID(str(card.id))))

    async def violations(self) -> list[Any]:
        """Return what `check` would report for this merchant."""
        found: list[Any] = []
        async with tenant_scope(self.database, self.merchant.id) as session:
            for _name, invariant in INVARIANT.items():
                found.extend(await invariant(session))
        return found


@pytest.fixture
def open_shop(database: Database, client: httpx2.AsyncClient) -> Any:
    """Return a function that opens a shop: `await open_shop("hybrid", stamps_needed=3)`."""

    async def make(loyalty_type: str = "stamps", **over: Any) -> Shop:
        merchant = await make_merchant(database)
        store = await make_store(database, merchant, loyalty_type, **over)
        _, pin = await make_staff(database, store, name="Marie")
        _, manager_pin = await make_staff(database, store, name="Luc", role="manager")
        return Shop(database, client, merchant, store, pin, manager_pin)

    return make
