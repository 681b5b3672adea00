"""A merchant to whom things happen at random, and what the roll-ups should then hold, counted with plain loops."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.modules.analytics.counting.statements import MEASURES
from app.modules.cards.factories import make_card
from app.modules.cards.public import merge_cards
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.public import mark_changed
from app.process import Process
from app.utils.id_generator import id_floor, new_id
from tests.fixtures import START

NOBODY = UUID(int=0)
GIVERS = ("pin", "shared_pin", "api_key")


def context_of(process: Process) -> JobContext:
    """Return what the worker gives its jobs."""
    return JobContext(
        database=process.database,
        settings=process.settings,
        clock=process.clock,
        registry=process.registry,
        resources=process.resources,
    )


def runner_of(process: Process) -> JobRunner:
    """Return a worker."""
    return JobRunner(
        process.database, process.registry, process.settings, process.clock, resources=process.resources
    )


class World:
    """A merchant with two stores in different time zones, and what happened there."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.random = random.Random(seed)
        self.cards: list[Any] = []
        self.stores: list[Any] = []
        self.staff = [None, new_id(), new_id()]
        self.merchant: Any = None
        self.reward_ids: dict[UUID, UUID] = {}

    async def open(self) -> World:
        """Make the merchant and its stores; the second shares the programme of the first."""
        self.merchant = await make_merchant(self.database)
        first = await make_store(self.database, self.merchant, "hybrid", time_zone="Europe/Luxembourg")
        second = await make_store(
            self.database,
            self.merchant,
            "hybrid",
            name="Far",
            time_zone="Pacific/Auckland",
            program_id=first.program.id,
        )
        self.stores = [first, second]
        return self

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return the rows of a statement in the merchant's tenant."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = await session.execute(text(statement), {"m": self.merchant.id, **values})
            return list(found) if found.returns_rows else []

    async def join(self, day: int = 0) -> Any:
        """Somebody takes a card."""
        at = START - timedelta(days=day, hours=self.random.randrange(24))
        card = await make_card(self.database, self.random.choice(self.stores), now=at)
        self.cards.append(card)
        return card

    async def visit(self, card: Any = None, *, at: datetime | None = None, mark: bool = True) -> UUID:
        """A card is stamped; the moment is anywhere in the last 400 days."""
        card = card or self.random.choice(self.cards)
        at = at or START - timedelta(minutes=self.random.randrange(400 * 24 * 60))
        amount = self.random.choice((None, None, 0, 250, 1999))
        visit_id = new_id()
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                text(
                    "INSERT INTO visit (merchant_id, id, store_id, pass_id, staff_id, given_by, source, amount_minor,"
                    " currency, stamps, points, at) VALUES (:m, :id, :store, :card, :staff, :by, 'staff_device',"
                    " :amount, :currency, :stamps, :points, :at)"
                ),
                {
                    "m": self.merchant.id,
                    "id": visit_id,
                    "store": self.random.choice(self.stores).id,
                    "card": card.id,
                    "staff": self.random.choice(self.staff),
                    "by": self.random.choice(GIVERS),
                    "amount": amount,
                    "currency": self.random.choice(("EUR", "EUR", "EUR", "CHF")),
                    "stamps": self.random.randrange(3),
                    "points": self.random.randrange(50),
                    "at": at,
                },
            )
            if mark:
                await mark_changed(session, self.merchant.id, card.id)
        return visit_id

    async def redeem(self) -> None:
        """A reward is handed out."""
        card = self.random.choice(self.cards)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                text(
                    "INSERT INTO redemption (merchant_id, id, reward_id, pass_id, store_id, given_by, kind, cost,"
                    " redeemed_at) SELECT :m, :id, id, :card, :store, 'pin', kind, threshold, :at FROM reward"
                    " WHERE merchant_id = :m ORDER BY random() LIMIT 1"
                ),
                {
                    "m": self.merchant.id,
                    "id": new_id(),
                    "card": card.id,
                    "store": self.random.choice(self.stores).id,
                    "at": START - timedelta(minutes=self.random.randrange(100 * 24 * 60)),
                },
            )
            await mark_changed(session, self.merchant.id, card.id)

    async def void(self, table: str) -> None:
        """Something is taken back."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            # The table's name comes from the tests.
            found = await session.execute(
                text(
                    f"SELECT id, pass_id FROM {table} WHERE merchant_id = :m AND voided_at IS NULL ORDER BY id"
                ),  # noqa: S608
                {"m": self.merchant.id},
            )
            rows = list(found)
            if not rows:
                return
            row = self.random.choice(rows)
            await session.execute(
                text(f"UPDATE {table} SET voided_at = :at WHERE merchant_id = :m AND id = :id"),  # noqa: S608
                {"m": self.merchant.id, "id": row.id, "at": START},
            )
            await mark_changed(session, self.merchant.id, row.pass_id)

    async def merge(self) -> None:
        """Two cards turn out to be one person's."""
        if len(self.cards) < 4:
            return
        source, target = self.random.sample(self.cards, 2)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await merge_cards(session, self.merchant.id, source_id=source.id, target_id=target.id, now=START)
        self.cards.remove(source)

    async def fill(self) -> None:
        """A card's balance changes."""
        card = self.random.choice(self.cards)
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                text(
                    "UPDATE pass_object SET stamp_count = :n, points_balance = :points, reward_unlocked = :ready,"
                    " status = :status WHERE merchant_id = :m AND id = :id"
                ),
                {
                    "m": self.merchant.id,
                    "id": card.id,
                    "n": (number := self.random.randrange(10)),
                    "points": number * 7,
                    "ready": number > 5,
                    "status": self.random.choice(("active", "blocked")),
                },
            )
            await mark_changed(session, self.merchant.id, card.id)

    async def live(self, steps: int) -> None:
        """Let so many things happen."""
        for _step in range(steps):
            what = self.random.random()
            if what < 0.2 or not self.cards:
                await self.join(self.random.randrange(300))
            elif what < 0.6:
                await self.visit()
            elif what < 0.7:
                await self.redeem()
            elif what < 0.8:
                await self.void("visit")
            elif what < 0.85:
                await self.void("redemption")
            elif what < 0.9:
                await self.merge()
            else:
                await self.fill()

    async def counted(self) -> dict[str, Any]:
        """Return what the live roll-ups hold, without cells in which nothing is."""
        live = "build = (SELECT build FROM rollup_state WHERE merchant_id = :m AND live) AND merchant_id = :m"
        found: dict[str, Any] = {}
        sums = ", ".join(MEASURES)
        cells = {
            "day": "day, store_id, staff_id, given_by",
            "store": "day, store_id",
            "hour": "day, hour, store_id",
        }
        for name, keys in cells.items():
            rows = await self.rows(f"SELECT {keys}, {sums} FROM rollup_{name} WHERE {live}")  # noqa: S608
            width = keys.count(",") + 1
            found[name] = {tuple(row[:width]): tuple(row[width:]) for row in rows if any(row[width:])}
        rows = await self.rows(
            "SELECT customer_id, first_at, last_at, first_day, last_day, visits, visit_days, purchases, amount_minor,"  # noqa: S608
            f" later_paid_days, later_amount_minor, stamps, points, redemptions FROM rollup_customer WHERE {live}"
        )
        found["customer"] = {row[0]: tuple(row[1:]) for row in rows}
        rows = await self.rows(
            f"SELECT cohort, month, customers, visits, amount_minor FROM rollup_cohort WHERE {live}"  # noqa: S608
        )
        found["cohort"] = {tuple(row[:2]): tuple(row[2:]) for row in rows if any(row[2:])}
        rows = await self.rows(
            "SELECT last_day, visits, customers, all_visits, amount_minor, span_days, redeemers"  # noqa: S608
            f" FROM rollup_people WHERE {live}"
        )
        found["people"] = {tuple(row[:2]): tuple(row[2:]) for row in rows if any(row[2:])}
        rows = await self.rows(f"SELECT cards, stamps, points, ready FROM rollup_balance WHERE {live}")  # noqa: S608
        found["balance"] = [tuple(row) for row in rows if any(row)]
        return found

    async def expected(self) -> dict[str, Any]:
        """Count everything from the raw rows."""
        zones = {store.id: ZoneInfo(store.time_zone) for store in self.stores}
        cards = {row.id: row for row in await self.rows("SELECT * FROM pass_object WHERE merchant_id = :m")}
        visits = await self.rows(
            "SELECT * FROM visit WHERE merchant_id = :m AND voided_at IS NULL ORDER BY at, id"
        )
        rewards = await self.rows("SELECT * FROM redemption WHERE merchant_id = :m AND voided_at IS NULL")
        tally = Tally(zones)
        people: dict[UUID, list[Any]] = {
            row.customer_id: [] for row in cards.values() if row.merged_into is None
        }
        given: Counter[UUID] = Counter()

        def holder(pass_id: UUID) -> UUID:
            card = cards[pass_id]
            while card.merged_into is not None:
                card = cards[card.merged_into]
            return card.customer_id

        for row in visits:
            mine = people[holder(row.pass_id)]
            amount = max(0, row.amount_minor or 0) if row.currency == "EUR" else 0
            tally.add(
                row.at,
                row,
                visits=1,
                first_visits=int(not mine),
                purchases=int(amount > 0),
                amount_minor=amount,
                stamps=row.stamps,
                points=row.points,
            )
            mine.append((row, amount, row.at.astimezone(zones[row.store_id]).date()))
        for row in rewards:
            tally.add(row.redeemed_at, row, redemptions=1, **{f"{row.kind}_spent": row.cost})
            given[holder(row.pass_id)] += 1
        for card in cards.values():
            if card.merged_into is None:
                tally.add(card.created_at, card, new_cards=1)
        held = [c for c in cards.values() if c.merged_into is None and c.status in {"active", "blocked"}]
        balance = (
            len(held),
            sum(c.stamp_count for c in held),
            sum(c.points_balance for c in held),
            sum(c.reward_unlocked for c in held),
        )
        return {**tally.cells(), **people_of(people, given), "balance": [balance] if any(balance) else []}


class Tally:
    """Cells by day and giver, by day and store, and by hour."""

    def __init__(self, zones: dict[UUID, ZoneInfo]) -> None:
        self.zones = zones
        self.days: dict[Any, Counter[str]] = defaultdict(Counter)
        self.of_stores: dict[Any, Counter[str]] = defaultdict(Counter)
        self.hours: dict[Any, Counter[str]] = defaultdict(Counter)

    def add(self, at: datetime, row: Any, **measures: int) -> None:
        """Add to the cells of a moment in the row's store."""
        local = at.astimezone(self.zones[row.store_id])
        given_by = getattr(row, "given_by", "")
        staff = getattr(row, "staff_id", None) or NOBODY
        self.days[local.date(), row.store_id, staff, given_by].update(measures)
        self.of_stores[local.date(), row.store_id].update(measures)
        self.hours[local.date(), local.hour, row.store_id].update(measures)

    def cells(self) -> dict[str, Any]:
        """Return the cells in which something is."""
        return {
            name: {
                key: tuple(cell[measure] for measure in MEASURES)
                for key, cell in cells.items()
                if any(cell.values())
            }
            for name, cells in (("day", self.days), ("store", self.of_stores), ("hour", self.hours))
        }


def people_of(people: dict[UUID, list[Any]], given: Counter[UUID]) -> dict[str, Any]:
    """Return customers, segments' cells and cohorts."""
    customers: dict[UUID, Any] = {}
    cells: dict[Any, Any] = defaultdict(lambda: [0, 0, 0, 0, 0])
    cohorts: dict[Any, Any] = defaultdict(lambda: [set(), 0, 0])
    for person, mine in people.items():
        days = sorted({day for _row, _amount, day in mine})
        later = [(amount, day) for _row, amount, day in mine if day > days[0] and amount > 0]
        ats = [row.at for row, _amount, _day in mine]
        total = sum(amount for _row, amount, _day in mine)
        customers[person] = (
            min(ats) if ats else None,
            max(ats) if ats else None,
            days[0] if days else None,
            days[-1] if days else None,
            len(mine),
            len(days),
            sum(amount > 0 for _row, amount, _day in mine),
            total,
            len({day for _amount, day in later}),
            sum(amount for amount, _day in later),
            sum(row.stamps for row, _amount, _day in mine),
            sum(row.points for row, _amount, _day in mine),
            given[person],
        )
        last = days[-1] if days else datetime(1970, 1, 1, tzinfo=UTC).date()
        share = (1, len(mine), total, (days[-1] - days[0]).days if days else 0, int(given[person] > 0))
        cell = cells[last, min(100, len(mine))]
        cells[last, min(100, len(mine))] = [old + new for old, new in zip(cell, share, strict=True)]
        for _row, amount, day in mine:
            entry = cohorts[days[0].replace(day=1), day.replace(day=1)]
            entry[0].add(person)
            entry[1] += 1
            entry[2] += amount
    return {
        "customer": customers,
        "people": {key: tuple(value) for key, value in cells.items() if any(value)},
        "cohort": {key: (len(who), visits, amount) for key, (who, visits, amount) in cohorts.items()},
    }


def id_of(moment: datetime) -> UUID:
    """Return an id made at a moment, as bulk loads make them."""
    return id_floor(moment)
