"""A shop whose visits are looked at, and short words for what happens there."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.fraud.models import FraudFinding
from app.modules.fraud.service import scan_visits
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store

QUICK = {"cooldown_minutes": 0, "visits_per_day": 1_000, "full_card": "carry_on"}


ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


class Shop:
    """A shop with one person at a device, and short words for what happens there."""

    def __init__(self, client, database, clock, merchant, store, staff, device):
        self.client, self.database, self.clock = client, database, clock
        self.merchant, self.store, self.device = merchant, store, device
        self.staff_id, self.pin = staff

    async def open_shift(self) -> None:
        """Type the PIN again: the device locks itself when it is left alone."""
        answer = await self.client.post("/device/shift", json={"pin": self.pin}, headers=self.device.headers)
        assert answer.status_code == 201

    async def card(self, **details):
        """Make a card."""
        return await make_card(self.database, self.store, **details)

    async def stamp(self, card, times: int = 1, *, every: float = 10.0) -> None:
        """Give stamps on the device, so many seconds apart."""
        for _time in range(times):
            answer = await self.client.post(
                "/device/visits", json={"pass_id": card.card_number}, headers=self.device.headers
            )
            assert answer.status_code == 201, answer.text
            self.clock.advance(seconds=every)

    async def scan(self) -> None:
        """Look at the newest visits, as the worker does."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await scan_visits(session, self.merchant.id, now=self.clock.now())

    async def findings(self, rule: str) -> list[FraudFinding]:
        """Return a rule's findings."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(select(FraudFinding).where(FraudFinding.rule == rule))
            return list(rows)

    async def post(self, path: str, data: dict[str, str], merchant=None):
        """Send a form of the dashboard, as the owner or as another merchant's."""
        self.client.cookies.clear()
        self.client.cookies.update((merchant or self.merchant).cookies)
        page = await self.client.get("/dashboard/fraud/settings")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
        answer = await self.client.post(f"/dashboard/fraud/{path}", data=data | {"csrf": token})
        self.client.cookies.clear()
        return answer

    async def set(self, **values) -> None:
        """Change the thresholds over HTTP, as the form does."""
        body = {**FraudSettings().model_dump(), **values}
        form = {name: str(value).lower() for name, value in body.items()}
        answer = await self.post("settings", form)
        assert answer.status_code == 303, answer.text


@pytest.fixture
async def shop(client, database, clock):
    """Make the shop; it is open around the clock until a test says otherwise."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, opening_hours=ALWAYS, **QUICK)
    staff_id, pin = await make_staff(database, store, name="Marie")
    device = await make_device(database, store, pin=pin)
    return Shop(client, database, clock, merchant, store, (staff_id, pin), device)
