"""Levels in a shop: reached at the till, kept, shown, switched off; over HTTP with the worker's jobs run by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, text, update

from app.db.session import Database, system_scope, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.permissions import Principal
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.points.models import PointsEvent
from app.modules.rewards.public import GiftOrder, give_gift
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.tiers.config import LevelDraft, add_level, change_level, change_settings, remove_level
from app.modules.tiers.jobs import weigh_all, weigh_card, weigh_due
from app.modules.tiers.models import TierLevel, TierMove, TierStanding
from app.modules.tiers.settings import TierSettings
from app.modules.wallets.jobs import poll_marks
from app.modules.wallets.public import card_view
from app.process import Process

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class Shop:
    """A shop with levels at 0, 100 and 300 euros, and short ways to use it."""

    process: Process
    client: httpx2.AsyncClient
    clock: FixedClock
    merchant: Any
    store: Any
    pin: str
    manager_pin: str

    @property
    def database(self) -> Database:
        """Return the database."""
        return self.process.database

    @property
    def owner(self) -> Principal:
        """Return who sets levels up."""
        return Principal("member", self.merchant.id, self.merchant.owner_id, role="owner")

    def context(self) -> JobContext:
        """Return what a job of this shop gets."""
        return self.process_context(self.merchant.id)

    def process_context(self, merchant_id: UUID | None = None) -> JobContext:
        """Return what a job gets; without a merchant, what the pollers get."""
        made = self.process
        return JobContext(
            made.database, made.settings, self.clock, made.registry, made.resources, merchant_id=merchant_id
        )

    async def ladder(self, *drafts: LevelDraft, settings: TierSettings | None = None) -> None:
        """Set the levels up and let every card be looked at."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            if settings is not None:
                await change_settings(session, self.owner, settings, now=self.clock.at)
            for draft in drafts:
                await add_level(session, self.owner, draft, now=self.clock.at)
        await weigh_all.function(self.context())

    async def card(self, **over: Any) -> MadeCard:
        """Make a card."""
        made = await make_card(self.database, self.store, now=self.clock.at, **over)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                update(PassObject).where(PassObject.id == made.id).values(created_at=self.clock.at)
            )
        await self.weigh(made)
        return made

    async def buy(self, card: MadeCard, amount: str) -> dict[str, Any]:
        """Enter a purchase at the till, and let the worker look at the card."""
        body = {"pass_id": str(card.id), "staff_pin": self.pin, "amount": amount}
        answer = await self.client.post(f"/points/{self.store.id}", json=body)
        assert answer.status_code == 201, answer.text
        await self.weigh(card)
        found: dict[str, Any] = answer.json()
        return found

    async def undo(self, visit_id: str) -> None:
        """Take a visit back, as a manager."""
        body = {
            "store_id": str(self.store.id),
            "staff_pin": self.manager_pin,
            "reason": "wrong",
            "force": True,
        }
        answer = await self.client.post(f"/visits/{visit_id}/void", json=body)
        assert answer.status_code == 201, answer.text

    async def weigh(self, card: MadeCard) -> None:
        """Look at one card, as the worker does."""
        await weigh_card.function(self.context(), pass_id=card.id)

    async def level(self, card: MadeCard) -> str | None:
        """Return the name of the card's level, which its trait and its standing agree on."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(TierStanding, (self.merchant.id, card.id))
            found = await session.get(PassObject, (self.merchant.id, card.id))
            assert found is not None
            level_id = row.level_id if row else None
            assert found.traits == ({"tiers": {"level": str(level_id)}} if level_id else {})
            return await session.scalar(select(TierLevel.name).where(TierLevel.id == level_id))

    async def moves(self) -> list[tuple[str, str]]:
        """Return every move of the shop as (day, why)."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(select(TierMove).order_by(TierMove.id))
            return [(row.on_day.isoformat(), row.why) for row in rows]

    async def switch(self, *modules: str) -> None:
        """Switch features on; all others are off then."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                update(Merchant).where(Merchant.id == self.merchant.id).values(modules_on=list(modules))
            )


SILVER = LevelDraft("Silver", 10_000, Decimal("1.25"), "A biscuit", entry_points=20)
GOLD = LevelDraft("Gold", 30_000, Decimal("1.5"), "The window seat")


@pytest.fixture
async def shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Shop:
    """Return a points shop with silver at 100 and gold at 300 euros a year."""
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(process.database, merchant, "points", visits_per_day=0)
    _, pin = await make_staff(process.database, store)
    _, manager_pin = await make_staff(process.database, store, name="Luc", role="manager")
    made = Shop(process, client, clock, merchant, store, pin, manager_pin)
    await made.switch("tiers")
    await made.ladder(SILVER, GOLD)
    return made


async def test_a_level_is_reached_and_multiplies_the_next_visit(shop: Shop) -> None:
    """99.99 is nothing, the cent more is silver with its gift; the next ten euros give 12.5, explained and rounded."""
    card = await shop.card()
    await shop.buy(card, "99.99")
    assert await shop.level(card) is None
    await shop.buy(card, "0.01")
    assert await shop.level(card) == "Silver"

    visit = await shop.buy(card, "10.00")

    assert (visit["points_added"], visit["points_balance"]) == (12, 99 + 0 + 20 + 12)
    assert [(line["rule"], line["points"], line["detail"]) for line in visit["explanation"]] == [
        ("rate", "10", "1"), ("tiers", "2.5", "1.25|Silver"),
    ]  # fmt: skip
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "Silver: points × 1.25" in page.text
    assert "Rounded to whole points" in page.text
    assert "−0.5" in page.text or "-0.5" in page.text


async def test_the_short_way_knows_the_level(shop: Shop) -> None:
    """A PIN that was right before goes the way of two statements, and gives the same points."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    first = await shop.buy(card, "10.00")
    second = await shop.buy(card, "10.00")
    assert first["points_added"] == second["points_added"] == 12


async def test_gifts_corrections_and_spending_move_nobody(shop: Shop) -> None:
    """By points: a gift of 500 qualifies for nothing, and redeeming all points takes no level away."""
    settings = TierSettings(basis="points")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await change_settings(session, shop.owner, settings, now=shop.clock.at)
    card = await shop.card(points=400)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        order = GiftOrder("birthdays", "x", points=500)
        await give_gift(session, shop.merchant.id, card.id, order=order, now=shop.clock.at)
    await shop.weigh(card)
    assert await shop.level(card) is None

    await shop.buy(card, "100.00")
    assert await shop.level(card) == "Silver"
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        reward = await session.scalar(text("SELECT id FROM reward LIMIT 1"))
    body = {"pass_id": str(card.id), "reward_id": str(reward), "staff_pin": shop.pin}
    assert (await shop.client.post(f"/rewards/{shop.store.id}/redeem", json=body)).status_code == 201
    await shop.weigh(card)
    assert await shop.level(card) == "Silver"


async def test_a_refund_waits_for_the_end_of_the_period(shop: Shop) -> None:
    """Gold's purchase is taken back a month later: gold to the end of the year, gone on New Year's Day."""
    card = await shop.card()
    visit = await shop.buy(card, "300.00")
    shop.clock.at = START + timedelta(days=30)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)
    assert await shop.level(card) == "Gold"
    shop.clock.at = datetime(2026, 12, 31, 22, 59, tzinfo=UTC)
    await weigh_due.function(shop.context())
    assert await shop.level(card) == "Gold"

    shop.clock.at = datetime(2026, 12, 31, 23, 1, tzinfo=UTC)  # past midnight in Luxembourg
    await weigh_due.function(shop.context())

    assert await shop.level(card) is None
    assert await shop.moves() == [("2026-11-20", "reached"), ("2027-01-01", "lapsed")]


async def test_a_mistake_undone_at_once_takes_level_and_gift_back(shop: Shop) -> None:
    """10,000 typed for 100: gold and no more after the undo within minutes, with not a point left of it."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    visit = await shop.buy(card, "10000.00")
    assert await shop.level(card) == "Gold"
    shop.clock.at = START + timedelta(minutes=5)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)

    assert await shop.level(card) == "Silver"
    assert [why for _day, why in await shop.moves()] == ["reached", "reached", "corrected"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        total = await session.scalar(select(PassObject.points_balance).where(PassObject.id == card.id))
    assert total == 120


async def test_the_first_level_by_mistake_leaves_nothing(shop: Shop) -> None:
    """Undoing the visit that gave silver takes silver and its gift of twenty points: all is as it was."""
    card = await shop.card()
    visit = await shop.buy(card, "100.00")
    shop.clock.at = START + timedelta(minutes=5)
    await shop.undo(visit["visit_id"])
    await shop.weigh(card)
    assert await shop.level(card) is None
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        entries = await session.scalars(select(PointsEvent.points_added).order_by(PointsEvent.id))
        assert sum(entries) == 0


async def test_dearer_and_removed_levels_are_kept_for_the_period(shop: Shop) -> None:
    """Silver at 200 instead of 100, and then removed: who has it keeps it, the till multiplies, others get none."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        silver = await session.scalar(select(TierLevel.id).where(TierLevel.name == "Silver"))
        assert silver is not None
        dearer = LevelDraft("Silver", 20_000, Decimal(2))
        await change_level(session, shop.owner, silver, dearer, now=shop.clock.at)
        await remove_level(session, shop.owner, silver, now=shop.clock.at)
    await weigh_all.function(shop.context())
    assert await shop.level(card) == "Silver"
    assert (await shop.buy(card, "10.00"))["points_added"] == 20
    other = await shop.card()
    await shop.buy(other, "250.00")
    assert await shop.level(other) is None


async def test_older_cards_take_their_place_without_a_gift(shop: Shop) -> None:
    """Cards made before there were levels are placed by what they bought, and nobody gets a gift for it."""
    merchant = await make_merchant(shop.database, time_zone="Europe/Luxembourg", currency="EUR")
    store = await make_store(shop.database, merchant, "points", visits_per_day=0)
    _, pin = await make_staff(shop.database, store)
    fresh = Shop(shop.process, shop.client, shop.clock, merchant, store, pin, pin)
    card = await fresh.card()
    await fresh.buy(card, "150.00")
    await fresh.switch("tiers")
    shop.clock.at = START + timedelta(days=1)
    await fresh.ladder(SILVER, GOLD)
    assert await fresh.level(card) == "Silver"
    assert await fresh.moves() == []
    async with tenant_scope(fresh.database, merchant.id) as session:
        assert await session.scalar(text("SELECT count(*) FROM gift")) == 0


async def test_switched_off_it_is_invisible_and_without_effect(shop: Shop) -> None:
    """Off: no points more, no page, nothing on card or pass; on again, everything is as it was."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    await shop.switch()

    visit = await shop.buy(card, "10.00")
    assert visit["points_added"] == 10
    assert len(visit["explanation"]) == 1
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "Your level" not in page.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        assert not [field for field in view.fields if field.key.startswith("tier")]
    shop.client.cookies.update(shop.merchant.cookies)
    assert (await shop.client.get("/dashboard/tiers")).status_code == 403
    assert "/dashboard/tiers" not in (await shop.client.get("/dashboard/stores")).text
    assert (await shop.client.get("/dashboard/analytics/tiers")).status_code in {403, 404}
    assert "/dashboard/analytics/tiers" not in (await shop.client.get("/dashboard/analytics")).text
    assert "Held until" not in (await shop.client.get("/dashboard/exports")).text

    await shop.switch("tiers")
    assert (await shop.buy(card, "10.00"))["points_added"] == 12


async def test_cards_and_passes_say_what_is_ahead(shop: Shop) -> None:
    """220 of 300 spent: "€80.00 to Gold by 31 Dec 2026" on the card and on the pass, with the perk."""
    card = await shop.card()
    await shop.buy(card, "220.00")
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "€80.00 to Gold by 31 Dec 2026" in page.text
    assert "A biscuit" in page.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="de", now=shop.clock.at)
    fields = {field.key: field.value for field in view.fields if field.key.startswith("tier")}
    assert fields["tier"] == "Silver"
    assert "Noch 80,00\xa0€ bis Gold, bis zum 31.12.2026" in str(fields["tier_next"])


async def test_the_worker_follows_the_till(shop: Shop) -> None:
    """The refresh mark of a visit leads to a look at the card; of a shop without levels it does not."""
    card = await shop.card()
    body = {"pass_id": str(card.id), "staff_pin": shop.pin, "amount": "100.00"}
    await shop.client.post(f"/points/{shop.store.id}", json=body)
    while await poll_marks(shop.process_context()):
        pass
    waiting = text("SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE 'tiers.weigh_card:%' || :card || '%'")
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"card": str(card.id)}) == 1
    await shop.switch()
    other = await shop.card()
    await shop.client.post(f"/points/{shop.store.id}", json=body | {"pass_id": str(other.id)})
    while await poll_marks(shop.process_context()):
        pass
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"card": str(other.id)}) == 0


async def test_dashboard_pages_work_without_javascript(shop: Shop) -> None:
    """The page lists the ladder; a level is added by its form, a twin is refused beside the field."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get("/dashboard/tiers")
    assert page.status_code == 200
    assert "from €100.00" in page.text
    new = await shop.client.get("/dashboard/tiers/levels/new")
    token = re.search(r'name="csrf"[^>]*value="([^"]+)"', new.text)
    assert token is not None
    form = {
        "csrf": token[1],
        "name": "Platinum",
        "threshold": "1 000,50",
        "multiplier": "2",
        "perks": "A chair",
    }
    origin = {"origin": "http://testserver"}
    saved = await shop.client.post("/dashboard/tiers/levels/new", data=form, headers=origin)
    assert saved.status_code == 303, saved.text
    again = await shop.client.post("/dashboard/tiers/levels/new", data=form, headers=origin)
    assert again.status_code == 422
    assert "Another level begins there already." in again.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = list(await session.scalars(select(TierLevel.threshold).order_by(TierLevel.threshold)))
    assert rows == [10_000, 30_000, 100_050]


async def test_report_and_download(shop: Shop) -> None:
    """The report counts members and moves; the profile shows the level."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "100.00")
    shop.client.cookies.update(shop.merchant.cookies)
    report = await shop.client.get("/dashboard/analytics/tiers")
    assert report.status_code == 200
    assert "Silver" in report.text
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "Silver reached" in profile.text


async def test_a_persons_download_and_deletion(shop: Shop) -> None:
    """The download names level and moves; deleting the person forgets where the card stands."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "100.00")
    handler = PERSONAL_DATA.get("tiers")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told = await handler.export(session, shop.merchant.id, card.customer_id)
        assert told["levels"] == [
            {"pass_id": str(card.id), "level": "Silver", "since": "2026-11-20", "held_until": "2026-12-31"}
        ]
        await session.execute(update(PassObject).where(PassObject.id == card.id).values(status="erased"))
        await handler.erase(session, shop.merchant.id, card.customer_id)
        assert await session.get(TierStanding, (UUID(str(shop.merchant.id)), card.id)) is None
