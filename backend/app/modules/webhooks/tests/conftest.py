"""A shop with webhooks, and another program on the loopback that takes them over TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest_asyncio
from sqlalchemy import select, update

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock, SystemClock
from app.kernel.outgoing.client import OutgoingClient
from app.kernel.permissions import Principal
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.webhooks.endpoints import Draft, create_endpoint, write_secret
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.modules.webhooks.rules import EVENTS
from app.process import Process
from tests.receiver import HOST, Receiver
from tests.shop import OpenShop


@dataclass
class Shop(OpenShop):
    """A shop that tells everything to one program, and short ways to use it."""

    client: httpx2.AsyncClient
    receiver: Receiver
    endpoint_id: UUID
    secret: str

    async def work(self) -> None:
        """Let a worker that knows this module only do what is due."""
        await self.drain("webhooks")

    async def later(self, **time: float) -> None:
        """Let time go by, and the worker do what is due then."""
        self.clock.at += timedelta(**time)
        await self.work()

    async def card(self) -> MadeCard:
        """Make a card."""
        return await make_card(
            self.database, self.store, name="Ana", email="ana@example.com", now=self.clock.at
        )

    async def stamp(self, card: MadeCard, quantity: int = 1) -> str:
        """Give stamps at the till and return the visit."""
        body = {"pass_id": str(card.id), "staff_pin": self.pin, "quantity": quantity}
        answer = await self.client.post(f"/stamp/{self.store.id}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["visit_id"])

    async def endpoint(self, *events: str) -> UUID:
        """Make another address."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            draft = Draft(f"https://{HOST}/other", events or EVENTS)
            return (await create_endpoint(session, self.owner, draft, now=self.clock.at)).id

    async def row(self) -> WebhookEndpoint:
        """Return the address."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(WebhookEndpoint, (self.merchant.id, self.endpoint_id))
            assert row is not None
            return row

    async def deliveries(self) -> list[WebhookDelivery]:
        """Return everything there is to deliver, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return list(await session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))

    async def tries(self) -> list[WebhookAttempt]:
        """Return every try, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return list(await session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.id)))

    async def switch(self, *, is_on: bool) -> None:
        """Switch the feature as an owner does."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await switch_feature(session, self.owner, "webhooks", is_on=is_on, now=self.clock.at)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """Return a started receiver."""
    made = Receiver(tmp_path)
    await made.start()
    yield made
    made.server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(
    process: Process, client: httpx2.AsyncClient, clock: FixedClock, receiver: Receiver
) -> AsyncIterator[Shop]:
    """Return a shop that tells everything; it is now, as a verifier of signatures looks at the real time."""
    clock.at = SystemClock().now().astimezone(UTC).replace(microsecond=0)
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant, "stamps", cooldown_minutes=0, visits_per_day=100)
    _, pin = await make_staff(process.database, store)
    usual, outgoing = process.resources.get(OutgoingClient), receiver.client()
    process.resources.put(OutgoingClient, outgoing)
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(process.database, merchant.id) as session:
        await switch_feature(session, owner, "webhooks", is_on=True, now=clock.at)
        draft = Draft(f"https://{HOST}/in", EVENTS, "Till")
        row = await create_endpoint(session, owner, draft, now=clock.at)
        secret = write_secret(session, row, now=clock.at)
    yield Shop(process, clock, merchant, store, pin, client, receiver, row.id, secret)
    process.resources.put(OutgoingClient, usual)
    await outgoing.aclose()
    # The poller looks at all merchants: what waits here must not be sent by the test after this one.
    async with tenant_scope(process.database, merchant.id) as session:
        await session.execute(update(WebhookDelivery).values(status="failed"))
