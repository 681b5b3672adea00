"""Levels, a birthday and cashback on one purchase: exact, explained line by line, and taken back to the entry."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.ledger import INVARIANT
from app.kernel.permissions import Principal
from app.kernel.settings import save_settings
from app.modules.birthdays.jobs import give
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cashback.models import CreditLot
from app.modules.cashback.service import change_settings
from app.modules.cashback.settings import CashbackSettings
from app.modules.customers.public import Birthday
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, add_level
from app.modules.tiers.jobs import weigh_all, weigh_card
from app.modules.tiers.models import TierStanding
from app.process import Process

NOON = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
GIFT = BirthdaySettings(kind="points", points=50, factor=Decimal(2))
LEDGERS = {
    "points_event": "points_added",
    "stamp_event": "stamps_added",
    "credit_entry": "amount_minor",
}
"""Every ledger and its amount: what a visit moved in them is nothing once it is taken back."""


@dataclass
class Shop:
    """A shop of stamps and points where all three features are on."""

    process: Process
    client: httpx2.AsyncClient
    clock: FixedClock
    merchant: Any
    store: Any
    pin: str

    def context(self) -> JobContext:
        """Return what a job of this shop gets."""
        made = self.process
        return JobContext(
            made.database, made.settings, self.clock, made.registry, made.resources, self.merchant.id
        )

    async def buy(self, card: MadeCard, amount: str, **over: Any) -> dict[str, Any]:
        """Enter a purchase, and let the worker look at the card's level."""
        body = {"pass_id": str(card.id), "staff_pin": self.pin, "amount": amount, **over}
        answer = await self.client.post(f"/points/{self.store.id}", json=body)
        assert answer.status_code == 201, answer.text
        await weigh_card.function(self.context(), pass_id=card.id)
        found: dict[str, Any] = answer.json()
        return found

    async def state(self, card: MadeCard) -> dict[str, Any]:
        """Return all that a card holds: totals, level, and each lot of credit with its end."""
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT stamp_count, points_balance, rewards_banked, visits_today, last_visit_at, traits"
                        " FROM pass_object WHERE id = :id"
                    ),
                    {"id": card.id},
                )
            ).one()
            lots = await session.execute(
                select(CreditLot.id, CreditLot.remaining_minor, CreditLot.expires_at)
                .where(CreditLot.pass_id == card.id, CreditLot.remaining_minor > 0)
                .order_by(CreditLot.id)
            )
            points = await session.execute(
                text(
                    "SELECT id, remaining FROM points_lot WHERE pass_id = :id AND remaining > 0 ORDER BY id"
                ),
                {"id": card.id},
            )
            standing = await session.get(TierStanding, (self.merchant.id, card.id))
            level = str(standing.level_id) if standing else ""
        return {"totals": tuple(row), "lots": [tuple(lot) for lot in lots],
                "points": [tuple(lot) for lot in points], "level": level}  # fmt: skip

    async def sums(self, visit_id: str) -> dict[str, int]:
        """Return what the entries of a visit add up to, in every ledger."""
        found = {}
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            for ledger, amount in LEDGERS.items():
                total = text(f"SELECT coalesce(sum({amount}), 0) FROM {ledger} WHERE visit_id = :id")  # noqa: S608
                found[ledger] = int(await session.scalar(total, {"id": visit_id}) or 0)
        return found

    async def violations(self) -> list[str]:
        """Return what `check` finds wrong."""
        found = []
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            for _name, invariant in INVARIANT.items():
                found += [one.detail for one in await invariant(session)]
        return found


@pytest.fixture
async def shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Shop:
    """Return the shop: silver counts 1.25 times, a birthday twice and gives 50 points, 10 % comes back."""
    clock.at = NOON
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "hybrid", visits_per_day=0, cooldown_minutes=0)
    _, pin = await make_staff(process.database, store, role="manager")
    made = Shop(process, client, clock, merchant, store, pin)
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(process.database, merchant.id) as session:
        for name in ("tiers", "birthdays", "cashback"):
            await switch_feature(session, owner, name, is_on=True, now=NOON)
        await change_settings(session, owner, CashbackSettings(rate_bp=1_000), now=NOON)
        await save_settings(session, GIFT, merchant_id=merchant.id)
        await add_level(session, owner, LevelDraft("Silver", 10_000, Decimal("1.25")), now=NOON)
    await weigh_all.function(made.context())
    return made


async def _birthday_card(shop: Shop) -> MadeCard:
    """Return the card of somebody whose birthday it is: silver after 100 euros, with the gift, ten euros of credit."""
    card = await make_card(
        shop.process.database, shop.store, now=NOON - timedelta(days=9), name="Ana", birthday=Birthday(20, 11, 1990)
    )  # fmt: skip
    await weigh_card.function(shop.context(), pass_id=card.id)
    await shop.buy(card, "100.00")
    await give.function(shop.context(), customer_id=card.customer_id)
    return card


async def test_each_rule_has_its_line_and_the_sum_is_exact(shop: Shop) -> None:
    """59.90, five of it credit: a quarter more for silver, all of it twice, rounded once, down; 10 % of 54.90 back.

    Rounded at each step it would be 146: 59, 73, 146.
    """
    card = await _birthday_card(shop)
    before = await shop.state(card)
    assert before["totals"][:2] == (1, 100 + 50)

    visit = await shop.buy(card, "59.90", tenders={"credit": "5.00"})

    assert [(one["rule"], one["points"], one["amount_minor"]) for one in visit["explanation"]] == [
        ("rate", "59.9", 0), ("tiers", "14.975", 0), ("birthdays", "74.875", 0),
        ("cashback", "0", 549), ("tender.credit", "0", -500),
    ]  # fmt: skip
    assert (visit["points_added"], visit["stamps_added"]) == (149, 1)
    after = await shop.state(card)
    assert (after["totals"][1], sum(lot[1] for lot in after["lots"])) == (150 + 149, 1_000 - 500 + 549)
    assert await shop.sums(visit["visit_id"]) == {"points_event": 149, "stamp_event": 1, "credit_entry": 49}

    said = ["For your purchase", "+59.9", "Silver: points × 1.25", "+14.975",
            "Birthday: points × 2", "+74.875", "10% back on €54.90", "+€5.49",
            "Paid with store credit", "-€5.00", "Rounded to whole points", "-0.75"]  # fmt: skip
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    shop.client.cookies.update(shop.merchant.cookies)
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    for shown in (page.text, profile.text):
        why = re.findall(r'<dl class="why">.*?</dl>', shown, re.DOTALL)[0].replace("−", "-")
        assert [part for part in said if part not in why] == []


@pytest.mark.parametrize("without", ["the days", "the feature", "the level"])
async def test_control_each_rule_counts_for_itself(shop: Shop, without: str) -> None:
    """The day after the birthday's days, with birthdays off, or with levels off, its line is not there."""
    card = await _birthday_card(shop)
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    if without == "the days":
        shop.clock.at = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)  # midnight in Luxembourg
    else:
        name = "birthdays" if without == "the feature" else "tiers"
        async with tenant_scope(shop.process.database, shop.merchant.id) as session:
            await switch_feature(session, owner, name, is_on=False, now=NOON)

    visit = await shop.buy(card, "59.90")

    lines = [(one["rule"], one["points"]) for one in visit["explanation"]]
    if without == "the level":
        assert lines == [("rate", "59.9"), ("birthdays", "59.9"), ("cashback", "0")]
        assert visit["points_added"] == 119
    else:
        assert lines == [("rate", "59.9"), ("tiers", "14.975"), ("cashback", "0")]
        assert visit["points_added"] == 74


async def test_undoing_the_visit_takes_all_of_it_back(shop: Shop) -> None:
    """Undone, the card is what it was, lot by lot; in every ledger the visit comes to nothing, the gift stays."""
    card = await _birthday_card(shop)
    before = await shop.state(card)
    visit = await shop.buy(card, "59.90", tenders={"credit": "5.00"})
    shop.clock.advance(minutes=5)

    body = {"store_id": str(shop.store.id), "staff_pin": shop.pin, "reason": "wrong"}
    undone = await shop.client.post(f"/visits/{visit['visit_id']}/void", json=body)
    assert undone.status_code == 201, undone.text
    await weigh_card.function(shop.context(), pass_id=card.id)

    assert await shop.state(card) == before
    assert await shop.sums(visit["visit_id"]) == dict.fromkeys(LEDGERS, 0)
    assert await shop.violations() == []


async def test_undoing_the_visit_that_gave_the_level_takes_the_level_too(shop: Shop) -> None:
    """The purchase that reached silver is undone at once: no level, no credit, and the birthday's points only."""
    card = await make_card(
        shop.process.database, shop.store, now=NOON - timedelta(days=9), name="Ana", birthday=Birthday(20, 11, 1990)
    )  # fmt: skip
    await weigh_card.function(shop.context(), pass_id=card.id)
    await give.function(shop.context(), customer_id=card.customer_id)
    before = await shop.state(card)
    visit = await shop.buy(card, "100.00")
    assert (await shop.state(card))["level"] != before["level"]
    shop.clock.advance(minutes=5)

    body = {"store_id": str(shop.store.id), "staff_pin": shop.pin, "reason": "wrong"}
    assert (await shop.client.post(f"/visits/{visit['visit_id']}/void", json=body)).status_code == 201
    await weigh_card.function(shop.context(), pass_id=card.id)

    after = await shop.state(card)
    assert after == before
    days = {"factor": "2", "from": "2026-11-20", "until": "2026-11-27"}
    assert json.loads(json.dumps(after["totals"][5])) == {"birthdays": days}
    assert await shop.violations() == []
