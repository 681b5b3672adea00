"""A merchant with a store of every kind, where what is refused is seen to change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.ledger import INVARIANT
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import MadeMerchant
from app.modules.stores.public import StoreView

TABLES = (
    "visit",
    "stamp_event",
    "points_event",
    "points_lot",
    "redemption",
    "idempotency_key",
    "card_refresh",
    "pass_object",
    "customer",
    "consent_record",
    "store",
    "program",
    "reward",
    "staff_member",
    "audit_entry",
)
_addresses = count(1)


@dataclass
class Place:
    """A store of every loyalty type under one merchant, and a stranger's."""

    database: Database
    app: FastAPI
    merchant: MadeMerchant
    stores: dict[str, StoreView]
    pins: dict[str, str]
    stranger: StoreView
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self) -> httpx2.AsyncClient:
        """Return a client from an address of its own, so that no other test has used up its limits."""
        number = next(_addresses)
        address = (f"203.0.{number // 250}.{number % 250 + 1}", 40_000)
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False, client=address)
        self.clients.append(httpx2.AsyncClient(transport=transport, base_url="http://testserver"))
        return self.clients[-1]

    async def card(self, loyalty_type: str, **over: Any) -> MadeCard:
        """Make a card of one of the stores."""
        return await make_card(self.database, self.stores[loyalty_type], **over)

    async def snapshot(self) -> dict[str, Any]:
        """Return how many rows the merchant has in every table, and what all its cards hold."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = {
                name: (await session.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
                for name in TABLES
            }
            cards = await session.execute(text("SELECT to_jsonb(c) FROM pass_object c ORDER BY c.id"))
            assert [
                list(await check(session)) for _name, check in INVARIANT.items() if await check(session)
            ] == []
            return rows | {"cards": list(cards.scalars())}

    async def attempts(self) -> int:
        """Return how many wrong PINs are counted."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            query = "SELECT count(*) FROM pin_attempt WHERE refunded_at IS NULL"
            return int((await session.execute(text(query))).scalar_one())

    def award(self, loyalty_type: str, card: Any, **over: Any) -> tuple[str, dict[str, Any]]:
        """Return path and body of a good award at a store."""
        body = {"pass_id": str(getattr(card, "id", card)), "staff_pin": self.pins[loyalty_type]}
        if loyalty_type == "stamps":
            return f"/stamp/{self.stores['stamps'].id}", body | over
        return f"/points/{self.stores[loyalty_type].id}", body | {"amount": "59.90"} | over


async def refused(
    place: Place, path: str, body: Any, *, status: int, code: str, **options: Any
) -> dict[str, Any]:
    """Post, and see it refused with this code and nothing of the merchant's changed."""
    before = await place.snapshot()
    answer = await place.client().post(path, json=body, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await place.snapshot() == before
    return dict(answer.json())
