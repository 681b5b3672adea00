"""The pages of figures over HTTP: exact values, files, and who may see them."""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.points import REPORT_VIEW
from app.modules.accounts.factories import make_member
from app.modules.analytics.models import CustomerValue
from app.modules.analytics.tests.world import World, context_of, runner_of
from app.modules.analytics.value.service import fit_value
from app.modules.wallets.public import mark_changed
from app.process import Process
from app.utils.id_generator import new_id
from tests.fixtures import START

PAGES = ("overview", "times", "customers", "retention", "value", "places", "liability")


class Reader:
    """A merchant with visits, and a member who reads the figures."""

    def __init__(self, client: httpx2.AsyncClient, process: Process) -> None:
        self.client, self.process = client, process
        self.world: Any = None

    async def open(self) -> Reader:
        self.world = await World(self.process.database, 21).open()
        self.client.cookies.update(self.world.merchant.cookies)
        return self

    async def visit(self, card: Any, days_ago: float, amount: int | None = None) -> None:
        """Somebody is there; one stamp and ten points."""
        await self.world.rows(
            "INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, amount_minor, stamps,"
            " points, at) VALUES (:m, gen_random_uuid(), :s, :c, 'shared_pin', 'pos', 'EUR', :amount, 1, 10, :at)",
            s=self.world.stores[0].id,
            c=card.id,
            amount=amount,
            at=START - timedelta(days=days_ago),
        )
        await self.world.rows(
            "INSERT INTO rollup_pending (merchant_id, pass_id) VALUES (:m, :c) ON CONFLICT DO NOTHING",
            c=card.id,
        )

    async def count(self) -> None:
        """Let the worker count."""
        await runner_of(self.process).drain()

    async def table(self, report: str, table: str, query: str = "") -> list[dict[str, str]]:
        """Return a table of a page, read from its file."""
        answer = await self.client.get(f"/dashboard/analytics/{report}/{table}.csv?{query}")
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))

    async def tiles(self, path: str) -> dict[str, str]:
        """Return the figures of a page by their names."""
        page = await self.client.get(path)
        assert page.status_code == 200
        found = re.findall(
            r'tile-label">(.*?)</p>\s*<p class="tile-value number">(.*?)</p>', page.text, re.DOTALL
        )
        return {re.sub(r"<.*?>", "", name).strip(): value for name, value in reversed(found)}


async def add_history(reader: Reader, made: random.Random) -> None:
    """Add a customer as the model imagines them: a rhythm of their own, and a chance to stay away after each visit."""
    rate, leaves = made.gammavariate(1.2, 0.2), made.betavariate(1.5, 4)
    age = made.randrange(80, 300)
    days, spent, at = [0], 0, 0.0
    while made.random() > leaves:
        at += made.expovariate(rate / 7)
        if at >= age:
            break
        if int(at) > days[-1]:
            days.append(int(at))
            spent += made.randrange(300, 1500)
    first = START.date() - timedelta(days=age)
    await reader.world.rows(
        "INSERT INTO rollup_customer (merchant_id, build, customer_id, first_day, last_day, visits, visit_days,"
        " purchases, amount_minor, later_paid_days, later_amount_minor, stamps, points, redemptions) VALUES"
        " (:m, 1, gen_random_uuid(), :first, :last, :n, :n, :n, :amount, :later, :spent, 0, 0, 0)",
        first=first,
        last=first + timedelta(days=days[-1]),
        n=len(days),
        amount=spent + 800,
        later=len(days) - 1,
        spent=spent,
    )


@pytest.fixture
async def reader(client: httpx2.AsyncClient, process: Process) -> Reader:
    """Return a reader with a business of their own."""
    return await Reader(client, process).open()


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_opens_with_and_without_visits(reader: Reader, page: str) -> None:
    """Before the first counting, without visits, and with some."""
    for _stage in range(2):
        answer = await reader.client.get(f"/dashboard/analytics/{page}")
        assert answer.status_code == 200
        await reader.count()
    await reader.world.live(40)
    await reader.count()
    answer = await reader.client.get(f"/dashboard/analytics/{page}")

    assert answer.status_code == 200
    assert 'style="' not in answer.text


def test_the_pages_are_contributed() -> None:
    """Each is an offer under REPORT_VIEW, as those of later modules are."""
    assert [key for key, _view in REPORT_VIEW.items() if key in PAGES] == list(PAGES)


async def test_the_overview_adds_up(reader: Reader) -> None:
    """Two customers, four visits, one of them before the period: exact figures beside the period before."""
    first, second = await reader.world.join(days := 200), await reader.world.join(days)
    await reader.visit(first, 30, amount=500)
    await reader.visit(first, 2, amount=1500)
    await reader.visit(first, 1)
    await reader.visit(second, 1, amount=1000)
    await reader.count()
    tiles = await reader.tiles("/dashboard/analytics/overview?days=28")

    assert tiles["Visits"] == "3"
    assert tiles["New customers"] == "1"
    assert tiles["Returning visits"] == "2"
    assert tiles["Sales"] == "€25.00"
    assert tiles["Average spend"] == "€12.50"
    rows = await reader.table("overview", "visits", "days=7")
    assert [(row["Day"], row["Visits"], row["Sales"]) for row in rows if row["Visits"] != "0"] == [
        ("2026-11-18", "1", "15.0"),
        ("2026-11-19", "2", "10.0"),
    ]
    assert sum(int(row["Visits"]) for row in rows) == 3


async def test_each_picture_has_its_numbers(reader: Reader) -> None:
    """Beneath the stamps stand the stamps, beside those of the same day of the week before."""
    card = await reader.world.join(50)
    for days_ago in (1, 8, 8.01):
        await reader.visit(card, days_ago)
    await reader.count()
    rows = await reader.table("overview", "stamps", "days=7")

    assert len(rows) == 7
    assert [row for row in rows if row["Stamps"] != "0"] == [
        {"Day": "2026-11-19", "Stamps": "1", "before": "2"}
    ]


async def test_the_home_says_the_same(reader: Reader) -> None:
    """Home and overview read one definition: this week's visits are those of the days since Monday."""
    card = await reader.world.join(50)
    for days_ago in (0.1, 1, 2, 9):
        await reader.visit(card, days_ago)
    await reader.count()
    home = await reader.client.get("/dashboard")
    week = re.search(r"This week.*?tile-value number\">(.*?)<", home.text, re.DOTALL)
    overview = await reader.tiles("/dashboard/analytics/overview?days=own&since=2026-11-16&until=2026-11-20")

    assert week is not None
    assert week.group(1) == overview["Visits"] == "3"


async def test_a_period_is_compared_up_to_the_same_hour(reader: Reader, clock: FixedClock) -> None:
    """At ten in the morning, today is compared with a week ago until ten: what came after is left out."""
    card = await reader.world.join(50)
    await reader.visit(card, 7 + 1 / 24)
    await reader.visit(card, 7 - 3 / 24)
    await reader.visit(card, 1 / 48)
    await reader.count()
    page = await reader.client.get("/dashboard")

    today = page.text[page.text.index("Today") : page.text.index("This week")]
    assert re.search(r'tile-value number">1</p>\s*<p class="tile-change[^>]*>.*?before: 1<', today, re.DOTALL)


async def test_one_store_alone(reader: Reader) -> None:
    """The figures of a store are its own; another merchant's store is not found."""
    card = await reader.world.join(50)
    await reader.visit(card, 1)
    await reader.count()
    first, second = reader.world.stores
    here = await reader.tiles(f"/dashboard/analytics/overview?store={first.id}")
    there = await reader.tiles(f"/dashboard/analytics/overview?store={second.id}")
    foreign = await World(reader.process.database, 22).open()
    other = await reader.client.get(f"/dashboard/analytics/overview?store={foreign.stores[0].id}")

    assert (here["Visits"], there["Visits"]) == ("1", "0")
    assert other.status_code == 404


async def test_a_limited_member_reads_the_own_stores_figures(reader: Reader, database: Database) -> None:
    """Without a store in the address, the sums are of the stores that the member is limited to."""
    await reader.visit(await reader.world.join(50), 1)
    await reader.count()
    seen = {}
    for store in reader.world.stores:
        member = await make_member(database, reader.world.merchant.id, "analyst", store_ids=(store.id,))
        reader.client.cookies.clear()
        reader.client.cookies.update(member.cookies)
        seen[store.id] = (await reader.tiles("/dashboard/analytics/overview"))["Visits"]

    assert [seen[store.id] for store in reader.world.stores] == ["1", "0"]


async def test_each_figure_of_a_limited_analyst_is_of_the_own_store(
    reader: Reader, database: Database
) -> None:
    """Two stores differ in every figure; the sums shown are one store's, and what has no store is not shown."""
    world = reader.world
    first, second = world.stores
    card = await world.join(50)
    for store, visits in ((first, 2), (second, 3)):
        for days_ago in range(1, visits + 1):
            await world.rows(
                "INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, stamps,"
                " amount_minor, at) VALUES (:m, :id, :store, :card, 'pin', 'staff_device', 'EUR', 4, :amount, :at)",
                id=new_id(),
                store=store.id,
                card=card.id,
                amount=1000 if store is first else 700,
                at=START - timedelta(days=days_ago),
            )
    async with tenant_scope(database, world.merchant.id) as session:
        await mark_changed(session, world.merchant.id, card.id)
    await world.rows("UPDATE pass_object SET reward_unlocked = true WHERE merchant_id = :m")
    await reader.count()
    owner = (await reader.tiles("/dashboard/analytics/overview"))["Visits"]
    shown = {}
    for store in (first, second):
        member = await make_member(database, world.merchant.id, "analyst", store_ids=(store.id,))
        reader.client.cookies.clear()
        reader.client.cookies.update(member.cookies)
        tiles = await reader.tiles("/dashboard/analytics/overview")
        places = (await reader.client.get("/dashboard/analytics/places")).text
        times = await reader.client.get("/dashboard/analytics/times/hours.csv")
        home = (await reader.client.get("/dashboard")).text
        other = second if store is first else first
        shown[store.id] = (
            tiles["Visits"], tiles["Stamps"], tiles["Sales"], other.name in places.split("<main", 1)[1],
            times.status_code, "has a reward waiting" in home,
        )  # fmt: skip
        whole = [
            (await reader.client.get(f"/dashboard/analytics/{page}")).status_code
            for page in ("customers", "retention", "value", "liability")
        ]
        assert whole == [404] * 4
        assert (
            "/dashboard/analytics/liability"
            not in (await reader.client.get("/dashboard/analytics/overview")).text
        )

    assert owner == "5"
    assert shown == {
        first.id: ("2", "8", "€20.00", False, 200, False),
        second.id: ("3", "12", "€21.00", False, 200, False),
    }


async def test_segments_hold_everybody_once(reader: Reader) -> None:
    """A regular, one who slips away, one who came once long ago, one who never came."""
    regular, slipping, once, never = [await reader.world.join(200) for _ in range(4)]
    for days_ago in (3, 10, 20, 30, 40):
        await reader.visit(regular, days_ago)
        await reader.visit(slipping, days_ago + 40)
    await reader.visit(once, 100)
    await reader.count()
    rows = {row["Segment"]: int(row["Customers"]) for row in await reader.table("customers", "segments")}

    assert never is not None
    assert {name: count for name, count in rows.items() if count} == {
        "Regulars": 1,
        "Slipping away": 1,
        "Came once": 1,
        "Not yet": 1,
    }


async def test_retention_is_by_first_month(reader: Reader) -> None:
    """Two came first in September; one of them was there again in October."""
    first, second = await reader.world.join(90), await reader.world.join(90)
    await reader.visit(first, 60)
    await reader.visit(first, 30)
    await reader.visit(second, 55)
    await reader.count()
    (row,) = await reader.table("retention", "retention")

    assert (row["First visit in"], row["Customers"], row["Month 1"], row["Month 2"]) == (
        "2026-09-01",
        "2",
        "0.5",
        "0.0",
    )


async def test_two_people_of_one_name_are_two_rows(reader: Reader) -> None:
    """What two Annas gave is not added up; a shared PIN has its own row."""
    card = await reader.world.join(10)
    await reader.visit(card, 1)
    await reader.world.rows(
        """WITH anna AS (
            INSERT INTO staff_member (merchant_id, id, name)
            SELECT :m, gen_random_uuid(), 'Anna' FROM generate_series(1, 2) RETURNING id
        )
        INSERT INTO visit (merchant_id, id, store_id, pass_id, staff_id, given_by, source, currency, stamps, at)
        SELECT :m, gen_random_uuid(), :s, :c, anna.id, 'pin', 'pos', 'EUR', 1, :at FROM anna""",
        s=reader.world.stores[0].id,
        c=card.id,
        at=START - timedelta(days=2),
    )
    await reader.count()

    rows = await reader.table("places", "staff")

    assert [(row["Given by"], row["Visits"]) for row in rows] == [
        ("Anna", "1"),
        ("Anna", "1"),
        ("Shared PIN", "1"),
    ]


async def test_a_sheet_has_numbers_and_no_formulas(reader: Reader) -> None:
    """The spreadsheet holds the same rows; a name that looks like a formula stays a text."""
    card = await reader.world.join(10)
    await reader.visit(card, 1)
    await reader.world.rows("UPDATE store SET name = '=1+1' WHERE merchant_id = :m")
    await reader.count()
    answer = await reader.client.get("/dashboard/analytics/places/stores.xlsx")
    book = zipfile.ZipFile(io.BytesIO(answer.content))

    assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    assert b"=1+1" in book.read("xl/sharedStrings.xml")


async def test_what_is_not_there_is_not_found(reader: Reader) -> None:
    """A made-up page, table or kind of file."""
    for path in ("secrets", "overview/secrets.csv"):
        assert (await reader.client.get(f"/dashboard/analytics/{path}")).status_code == 404
    assert (await reader.client.get("/dashboard/analytics/overview/visits.exe")).status_code == 422


@pytest.mark.parametrize(
    "query", ["days=own&since=9000-01-02", "store=nonsense", "days=own&since=1900-01-01"]
)
async def test_odd_queries_are_refused(reader: Reader, query: str) -> None:
    """Days outside the calendar and ids that are none."""
    assert (await reader.client.get(f"/dashboard/analytics/overview?{query}")).status_code == 422


async def test_the_value_says_what_is_missing(reader: Reader) -> None:
    """With few customers there is no made-up figure."""
    await reader.world.live(20)
    await reader.count()
    context = context_of(reader.process)
    await fit_value(type(context)(**{**context.__dict__, "merchant_id": reader.world.merchant.id}))
    page = await reader.client.get("/dashboard/analytics/value")

    assert "needs 100 customers" in page.text
    (known,) = await reader.world.rows(
        "SELECT sum(amount_minor) AS spent, count(*) FILTER (WHERE visits > 0) AS customers FROM rollup_customer"
        " WHERE merchant_id = :m"
    )
    (figure,) = re.findall(
        r'tile-value number">€([0-9.]+)<', page.text
    )  # what was spent is known all the same
    assert figure == f"{known.spent / known.customers / 100:.2f}"


async def test_the_value_is_fitted_in_the_worker(reader: Reader, database: Database) -> None:
    """Four hundred customers with habits: a figure with its interval around it."""
    merchant_id = reader.world.merchant.id
    card = await reader.world.join(300)
    await reader.count()
    made = random.Random(5)
    for _customer in range(400):
        await add_history(reader, made)
    context = context_of(reader.process)
    await fit_value(type(context)(**{**context.__dict__, "merchant_id": merchant_id}))
    async with tenant_scope(database, merchant_id) as session:
        kept = await session.get(CustomerValue, merchant_id)
    page = await reader.client.get("/dashboard/analytics/value")

    assert card is not None
    assert kept is not None
    assert kept.result["status"] == "ok"
    low, high = kept.result["value_range_minor"]
    assert 0 < low < kept.result["value_minor"] < high
    assert "We are 95 percent sure" in page.text


async def test_the_cost_of_a_reward_is_kept(reader: Reader) -> None:
    """With a cost, what is open is shown in money, too."""
    card = await reader.world.join(10)
    await reader.world.rows("UPDATE pass_object SET stamp_count = 5 WHERE merchant_id = :m")
    await reader.world.rows(
        "INSERT INTO rollup_pending (merchant_id, pass_id) VALUES (:m, :c) ON CONFLICT DO NOTHING", c=card.id
    )
    await reader.count()
    (row,) = await reader.table("liability", "open")
    assert (row["Worth in rewards"], "Worth in money" in row) == ("0.5", False)
    page = await reader.client.get("/dashboard/analytics/liability")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    saved = await reader.client.post(
        "/dashboard/analytics/liability/cost", data={"reward_cost": "3.20", "csrf": token.group(1)}
    )
    (row,) = await reader.table("liability", "open")

    assert saved.status_code == 303
    assert row["Worth in money"] == "1.6"
