"""Two entries of one person are joined while gifts, levels and friends are looked at: nobody waits in a ring."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.ledger import INVARIANT
from app.kernel.permissions import Principal
from app.kernel.settings import save_settings
from app.modules.birthdays import service as birthdays
from app.modules.birthdays.models import BirthdayGift
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.public import CardJoined, PassObject, merge_people, touch_card
from app.modules.customers.public import Birthday, CustomerDetails, change_details
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.referrals.links import add_referral
from app.modules.referrals.models import Referral
from app.modules.referrals.service import look
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, add_level
from app.modules.tiers.service import weigh_cards
from app.process import Process

NOW = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
BORN = Birthday(20, 11, 1990)
ROUNDS = 6
# PostgreSQL finds a ring after a second.
DEADLOCK = "40P01"


@dataclass
class Shop:
    """A shop of points where birthdays, levels and friends are on."""

    database: Database
    merchant: Any
    store: Any

    async def pair(self) -> tuple[MadeCard, MadeCard, UUID]:
        """Return two cards of one person under two entries, born today, the second brought along by the first."""
        one, two = [
            await make_card(self.database, self.store, now=NOW - timedelta(days=9), birthday=BORN)
            for _ in "ab"
        ]
        async with tenant_scope(self.database, self.merchant.id) as session:
            joined = CardJoined(
                session,
                self.merchant.id,
                two.id,
                two.customer_id,
                self.store.id,
                two.program_id,
                "join_page",
                NOW,
            )
            await add_referral(joined, one.id, same_device=False)
            referral = await session.scalar(select(Referral.id).where(Referral.friend_pass_id == two.id))
            assert referral is not None
        return one, two, referral

    async def at_once(self, one: MadeCard, two: MadeCard, referral: UUID) -> list[str]:
        """Join both while the workers look at both; return the SQLSTATEs of what the database refused."""
        merchant_id = self.merchant.id

        async def join(session: AsyncSession) -> None:
            ids = {"source_id": two.customer_id, "target_id": one.customer_id}
            await merge_people(session, merchant_id, **ids, now=NOW)

        def gift(card: MadeCard) -> Callable[[AsyncSession], Awaitable[Any]]:
            return lambda session: birthdays.give_birthday_gift(
                session, merchant_id, card.customer_id, now=NOW
            )

        async def edit(session: AsyncSession) -> None:
            details = CustomerDetails("Ana", None, None, BORN, "en")
            await change_details(session, merchant_id, one.customer_id, details=details, now=NOW)
            await touch_card(session, merchant_id, one.id, now=NOW)

        works: list[Callable[[AsyncSession], Awaitable[Any]]] = [
            join,
            gift(one),
            gift(two),
            edit,
            lambda session: weigh_cards(session, merchant_id, [two.id, one.id], now=NOW),
            lambda session: look(session, merchant_id, referral, now=NOW),
        ]

        async def run(work: Callable[[AsyncSession], Awaitable[Any]]) -> str:
            try:
                async with tenant_scope(self.database, merchant_id) as session:
                    await work(session)
            except DBAPIError as error:
                return str(getattr(error.orig, "sqlstate", error))
            return ""

        async with asyncio.timeout(30):
            return [state for state in await asyncio.gather(*map(run, works)) if state]


@pytest.fixture
async def shop(process: Process, clock: FixedClock) -> Shop:
    """Return the shop; a birthday gives 50 points."""
    clock.at = NOW
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "points", visits_per_day=0)
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(process.database, merchant.id) as session:
        for name in ("birthdays", "tiers", "referrals"):
            await switch_feature(session, owner, name, is_on=True, now=NOW)
        settings = BirthdaySettings(kind="points", points=50, factor=Decimal(2))
        await save_settings(session, settings, merchant_id=merchant.id)
        await add_level(session, owner, LevelDraft("Everybody", 0, entry_points=5), now=NOW)
    return Shop(process.database, merchant, store)


async def test_joining_two_people_waits_for_nobody_in_a_ring(shop: Shop) -> None:
    """Six times all at once, and the database refuses nothing; one card stays, and everything adds up."""
    for _round in range(ROUNDS):
        one, two, referral = await shop.pair()
        assert await shop.at_once(one, two, referral) == []
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            states = await session.execute(
                select(PassObject.id, PassObject.status).where(PassObject.id.in_([one.id, two.id]))
            )
            assert {row.id: row.status for row in states} == {one.id: "active", two.id: "merged"}
            # Who was given theirs before the two became one keeps it; nobody is given anything after.
            later = await birthdays.give_birthday_gift(session, shop.merchant.id, one.customer_id, now=NOW)
            given = await session.scalars(
                select(BirthdayGift.id).where(BirthdayGift.pass_id.in_([one.id, two.id]))
            )
            assert (later is None, len(list(given)) in {1, 2}) == (True, True)
            for _name, invariant in INVARIANT.items():
                assert [found.detail for found in await invariant(session)] == []


async def test_control_locked_the_other_way_round_they_do(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a gift that locks its two cards from the last to the first meets another one in a ring."""
    one, two, _referral = await shop.pair()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = await session.get_one(PassObject, (shop.merchant.id, two.id))
        row.customer_id = one.customer_id  # both of one person: each gift locks both
    asked: list[int] = []
    gate = asyncio.Barrier(2)

    async def lock_by_turns(
        session: AsyncSession, merchant_id: UUID, ids: Iterable[UUID]
    ) -> list[PassObject]:
        asked.append(1)
        found = []
        for pass_id in sorted(ids, reverse=len(asked) % 2 == 0):
            statement = text("SELECT 1 FROM pass_object WHERE id = :id FOR UPDATE")
            await session.execute(statement, {"id": pass_id})
            if not found:
                await gate.wait()  # each holds its first one before either asks for its second
            found.append(await session.get_one(PassObject, (merchant_id, pass_id)))
        return found

    monkeypatch.setattr(birthdays, "lock_cards", lock_by_turns)

    async def gift() -> str:
        try:
            async with tenant_scope(shop.database, shop.merchant.id) as session:
                await birthdays.give_birthday_gift(session, shop.merchant.id, one.customer_id, now=NOW)
        except DBAPIError as error:
            return str(getattr(error.orig, "sqlstate", error))
        return ""

    async with asyncio.timeout(30):
        assert sorted(await asyncio.gather(gift(), gift())) == ["", DEADLOCK]
