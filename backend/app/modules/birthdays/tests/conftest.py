"""A shop that gives its reward for a birthday, with short ways to use it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, text, update

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.settings import save_settings
from app.modules.birthdays.jobs import look
from app.modules.birthdays.models import BirthdayGift
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.customers.models import Customer
from app.modules.customers.public import Birthday
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.messaging.models import OutboxMessage
from app.modules.rewards.public import list_rewards
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.wallets.messages.models import WalletMessage
from app.process import Process
from tests.shop import OpenShop

# Ten in the morning in Luxembourg.
BIRTHDAY = datetime(2026, 5, 20, 8, 0, tzinfo=UTC)
BORN = Birthday(20, 5, 1990)


@dataclass
class Shop(OpenShop):
    """A shop of stamps that gives its reward for a birthday, and short ways to use it."""

    client: httpx2.AsyncClient
    reward_id: UUID

    async def set(self, **values: Any) -> None:
        """Set the gift up."""
        base = {"kind": "reward", "reward_id": self.reward_id}
        async with tenant_scope(self.database, self.merchant.id) as session:
            settings = BirthdaySettings.model_validate(base | values)
            await save_settings(session, settings, merchant_id=self.merchant.id)

    async def card(self, birthday: Birthday | None = BORN, **over: Any) -> MadeCard:
        """Make a card of somebody with a birthday."""
        details = {"name": "Ana", "now": self.clock.at - timedelta(days=90), "birthday": birthday, **over}
        return await make_card(self.database, self.store, **details)

    async def agreed(self, **over: Any) -> MadeCard:
        """Make a card of somebody who agreed to news and confirmed it."""
        return await self.card(email="ana@example.com", email_consent=True, verified=True, **over)

    async def work(self) -> None:
        """Do what the worker does in a round: look, then everything that is due by now."""
        await look(self.context())
        await self.drain("birthdays")

    async def gifts(self) -> list[BirthdayGift]:
        """Return every gift of the shop."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return list(await session.scalars(select(BirthdayGift).order_by(BirthdayGift.id)))

    async def balance(self, card: MadeCard) -> tuple[int, int]:
        """Return the card's stamps, and the rewards that were set aside on it."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(PassObject, (self.merchant.id, card.id))
            assert row is not None
            return row.stamp_count, int(row.rewards_banked.get(str(self.reward_id), 0))

    async def rename(self, card: MadeCard, birthday: Birthday | None) -> None:
        """Edit a birthday."""
        day, month = (birthday.day, birthday.month) if birthday else (None, None)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                update(Customer)
                .where(Customer.id == card.customer_id)
                .values(birthday_day=day, birthday_month=month)
            )

    async def switch(self, *modules: str) -> None:
        """Switch features on or off as an owner does; all others are off then."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            for name in ("birthdays", "nudges"):
                on = name in modules
                await switch_feature(session, self.owner, name, is_on=on, now=self.clock.at)

    async def redeem(self, card: MadeCard) -> httpx2.Response:
        """Redeem the reward at the till."""
        body = {"pass_id": str(card.id), "reward_id": str(self.reward_id), "staff_pin": self.pin}
        return await self.client.post(f"/rewards/{self.store.id}/redeem", json=body)

    async def mails(self) -> list[OutboxMessage]:
        """Return the marketing mails that were written."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(OutboxMessage).where(OutboxMessage.purpose == "marketing").order_by(OutboxMessage.id)
            )
            return list(rows)

    async def said(self) -> list[str]:
        """Return what was said on cards in wallets."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return list(await session.scalars(select(WalletMessage.header)))

    async def page(self, card: MadeCard) -> str:
        """Return the card's page."""
        found = await self.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
        return found.text


@pytest.fixture
async def shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Shop:
    """Return a shop in Luxembourg on the morning of 20 May 2026."""
    clock.at = BIRTHDAY
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "stamps", time_zone="Europe/Luxembourg")
    _, pin = await make_staff(process.database, store)
    async with tenant_scope(process.database, merchant.id) as session:
        program_id = await session.scalar(text("SELECT program_id FROM store"))
        reward = (await list_rewards(session, merchant.id, program_id))[0]
    made = Shop(process, clock, merchant, store, pin, client, reward.id)
    await made.switch("birthdays", "nudges")
    await made.set()
    return made
