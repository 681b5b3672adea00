"""Figures stay those of the raw rows through everything that a shop does to its customers' cards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.permissions import Principal
from app.modules.analytics.jobs import poll_pending
from app.modules.analytics.tests.world import World, context_of
from app.modules.crm.profile.service import Correction, correct_card, erase_customer, merge_persons
from app.modules.crm.tests.importers import Shop
from app.modules.wallets.jobs import poll_marks
from tests.fixtures import START

FILE = "Name,Email,Stamps,Points\n" + "".join(f"P{n},p{n}@example.com,{n},{n * 5}\n" for n in range(6))
PLAN = {"column_name": "0", "column_email": "1", "column_stamps": "2", "column_points": "3"}


class Day:
    """A shop with figures, and what its owner does."""

    def __init__(self, shop: Shop, process: Any) -> None:
        self.shop, self.process = shop, process
        self.world = World(shop.database, 7)
        self.owner = Principal(
            "member", shop.merchant.id, shop.merchant.owner_id, role="owner", scopes=frozenset()
        )

    async def open(self) -> Day:
        """Bring six people in, each of whom has come once or more."""
        self.world.merchant, self.world.stores = self.shop.merchant, [self.shop.store]
        self.url = await self.shop.bring(FILE, **PLAN, store=str(self.shop.store.id))
        await self.read_cards()
        return self

    async def read_cards(self) -> None:
        """Know the cards that can be used."""
        self.world.cards = await self.world.rows(
            "SELECT * FROM pass_object WHERE merchant_id = :m AND status = 'active' ORDER BY id"
        )

    async def same(self) -> dict[str, Any]:
        """Let the worker count what waits, and check that nothing but the raw rows is told."""
        context = context_of(self.process)
        while await poll_marks(context) + await poll_pending(context):
            pass
        counted = await self.world.counted()
        assert counted == await self.world.expected()
        return counted

    async def do(self, use_case: Any, *given: Any, **named: Any) -> None:
        """Let the owner do something, in a transaction of its own."""
        async with tenant_scope(self.shop.database, self.shop.merchant.id) as session:
            await use_case(session, self.owner, *given, **named, now=START)


@pytest.fixture
async def day(client: Any, database: Any, process: Any) -> Day:
    """Return an open day."""
    return await Day(await Shop(client, database, process).open(), process).open()


async def test_an_import_and_its_undo(day: Day) -> None:
    """What was brought in is open on the cards; taken back, it is not, but who came is still there."""
    counted = await day.same()
    assert counted["balance"] == [(6, 15, 75, 0)]
    first, *_rest = day.world.cards
    await day.world.visit(first, at=START)
    await day.same()
    await day.shop.post(f"{day.url}/undo", day.url)
    await day.shop.work()

    (balance,) = (await day.same())["balance"]
    assert balance[0] == 1


async def test_a_correction(day: Day) -> None:
    """Stamps and points given and taken by hand change what is open, and no visit."""
    before = await day.same()
    card = day.world.cards[2]
    change = Correction(card.id, "goodwill", stamps=2, points=-4)
    await day.do(correct_card, card.customer_id, correction=change, key=None)

    after = await day.same()
    assert (after["balance"], after["day"]) == ([(6, 17, 71, 0)], before["day"])


async def test_a_merge_and_an_erasure(day: Day) -> None:
    """Joined duplicates are one customer with both one's visits; erased, the totals stay, and nobody is named."""
    for card in day.world.cards[:3]:
        await day.world.visit(card, at=START)
    source, target = day.world.cards[0], day.world.cards[1]
    await day.same()
    await day.do(merge_persons, source_id=source.customer_id, target_id=target.customer_id)
    joined = await day.same()
    assert joined["customer"][target.customer_id][4] == 2
    assert source.customer_id not in joined["customer"]
    await day.do(erase_customer, target.customer_id)

    erased = await day.same()
    assert sum(cell[0] for cell in erased["day"].values()) == 3
    assert erased["balance"][0][0] == 4


async def test_a_moved_store(day: Day) -> None:
    """With another time zone every day and hour is counted anew, also while things go on."""
    await day.world.visit(day.world.cards[0], at=START.replace(hour=23, minute=30))
    before = await day.same()
    await day.world.rows("UPDATE store SET time_zone = 'Pacific/Auckland' WHERE merchant_id = :m")
    day.world.stores = await day.world.rows("SELECT id, time_zone FROM store WHERE merchant_id = :m")
    await day.world.visit(day.world.cards[1], at=START)

    assert (await day.same())["day"].keys() != before["day"].keys()


async def test_control_an_unmarked_change_is_seen_by_the_comparison(day: Day) -> None:
    """A visit that leaves no mark is not counted, and the comparison says so: it can fail."""
    await day.same()
    await day.world.visit(day.world.cards[0], at=START, mark=False)

    with pytest.raises(AssertionError):
        await day.same()
    async with tenant_scope(day.shop.database, day.shop.merchant.id) as session:
        assert (
            await session.scalar(
                text("SELECT count(*) FROM visit WHERE merchant_id = :m"), {"m": day.shop.merchant.id}
            )
            == 1
        )
