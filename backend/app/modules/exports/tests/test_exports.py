"""Downloads: what is in them, who gets them, and that memory does not grow with them."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import tracemalloc
import zipfile
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.enqueue import connection_of
from app.kernel.jobs.runner import JobRunner
from app.kernel.permissions import Principal
from app.kernel.points import EXPORTER, PERSONAL_DATA
from app.kernel.web import csv as python_csv
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.exports import service as exports_service
from app.modules.exports.jobs import forget_late
from app.modules.exports.rules import FORMULA_STARTS, file_query, quoted_in_sql, sheet_name
from app.modules.exports.service import OrderedFile, order_file
from app.modules.exports.writing import WRITERS, Order
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import get_merchant
from app.modules.stores.factories import make_store
from app.process import Process
from tests.waiting import Meeting

MANY = 20_001
TABLES = ("customers", "cards", "visits", "stamps", "points", "redemptions", "staff", "audit", "daily")


class Shop:
    """A merchant with customers."""

    def __init__(self, client: httpx2.AsyncClient, database: Database) -> None:
        self.client, self.database = client, database
        self.merchant: Any = None

    async def open(self) -> Shop:
        self.merchant = await make_merchant(self.database, time_zone="Europe/Luxembourg")
        self.store = await make_store(self.database, self.merchant, "points")
        return self

    async def post(self, path: str, who: Any = None, **data: str) -> httpx2.Response:
        """Press a button of the page as a member; who None: as nobody, with the token of a public page."""
        self.client.cookies.clear()
        self.client.cookies.update(who.cookies if who else {})
        page = await self.client.get("/dashboard/exports" if who else "/sign-in")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert token is not None
        return await self.client.post(path, data={**data, "csrf": token.group(1)})

    async def ask(self, table: str, form: str = "csv") -> httpx2.Response:
        """Ask for a file."""
        return await self.post(f"/dashboard/exports/{table}", self.merchant, form=form)

    async def fetch(self, export_id: Any, who: Any = None) -> httpx2.Response:
        """Fetch a file that was asked for."""
        return await self.post(f"/dashboard/exports/files/{export_id}", who)

    async def fill(self, rows: int) -> None:
        """Make many customers at once."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                text(
                    "INSERT INTO customer (merchant_id, id, name, locale) SELECT :m, gen_random_uuid(),"
                    " repeat('n', 60) || n, 'en' FROM generate_series(1, :rows) AS n"
                ),
                {"m": self.merchant.id, "rows": rows},
            )

    async def files(self) -> list[Any]:
        """Return what was asked for."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = await session.execute(
                text("SELECT * FROM export_file WHERE merchant_id = :m ORDER BY id"), {"m": self.merchant.id}
            )
            return list(found)

    async def pieces(self) -> int:
        """Return how many pieces of files are kept."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = await session.scalar(
                text("SELECT count(*) FROM export_chunk WHERE merchant_id = :m"), {"m": self.merchant.id}
            )
            return int(found or 0)


@pytest.fixture
async def shop(client: httpx2.AsyncClient, database: Database) -> Shop:
    """Return an open shop."""
    return await Shop(client, database).open()


async def work(process: Process) -> None:
    """Let the worker do what is due."""
    runner = JobRunner(
        process.database, process.registry, process.settings, process.clock, resources=process.resources
    )
    await runner.drain()


def context_of(process: Process) -> JobContext:
    """Return what the worker gives its jobs."""
    parts = {
        name: getattr(process, name) for name in ("database", "settings", "clock", "registry", "resources")
    }
    return JobContext(**parts)


def read_csv(content: bytes) -> list[list[str]]:
    """Return the rows of a file."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


async def test_a_small_table_comes_at_once(shop: Shop) -> None:
    """Customers as CSV: a header in words, the merchant's clock, and cells that no spreadsheet runs."""
    await make_card(
        shop.database, shop.store, name="=HYPERLINK(1)", email="a@example.com", phone="+352 621 000 111"
    )
    answer = await shop.ask("customers")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="customers.csv"'
    assert answer.headers["cache-control"] == "no-store"
    header, row = read_csv(answer.content)
    found = dict(zip(header, row, strict=True))
    assert (found["Name"], found["E-mail"]) == ("'=HYPERLINK(1)", "a@example.com")
    assert found["Phone"].startswith("'+352")
    assert len(found["Customer since"]) == len("2026-11-20 10:00:00")
    assert await shop.files() == []


@pytest.mark.parametrize(
    "table", ["customers", "cards", "visits", "stamps", "points", "redemptions", "staff", "audit", "daily"]
)
async def test_every_table_can_be_downloaded(shop: Shop, table: str) -> None:
    """Each table of every module gives both kinds of file, with the columns it names."""
    card = await make_card(shop.database, shop.store, name="Anna", points=12)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(
            text(
                "INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, amount_minor, at)"
                " VALUES (:m, gen_random_uuid(), :s, :c, 'pin', 'pos', 'EUR', -1234, '2026-11-20 23:30:00Z')"
            ),
            {"m": shop.merchant.id, "s": shop.store.id, "c": card.id},
        )
    exporter = EXPORTER.get(table)
    for form in ("csv", "xlsx"):
        answer = await shop.ask(table, form)
        assert answer.status_code == 200, answer.text
        if form == "csv":
            rows = read_csv(answer.content)
            assert len(rows[0]) == len(exporter.columns)
        else:
            sheet = zipfile.ZipFile(io.BytesIO(answer.content)).read("xl/worksheets/sheet1.xml")
            assert b"<f>" not in sheet


def test_every_exporter_is_there() -> None:
    """The tables the product promises are offered."""
    names = {key for key, _table in EXPORTER.items()}

    assert {
        "customers",
        "cards",
        "visits",
        "stamps",
        "points",
        "redemptions",
        "staff",
        "audit",
        "daily",
    } <= names


async def test_money_and_time_are_the_merchants(shop: Shop) -> None:
    """Half past eleven in UTC is half past midnight in Luxembourg; cents are written as euros, below zero as well."""
    await test_every_table_can_be_downloaded(shop, "visits")
    header, row = read_csv((await shop.ask("visits")).content)
    found = dict(zip(header, row, strict=True))

    assert (found["Time"], found["Amount"]) == ("2026-11-21 00:30:00", "-12.34")


async def test_a_large_table_is_made_by_the_worker(shop: Shop, process: Process) -> None:
    """It waits on the list, a mail says when it is ready, it is fetched once, and then nothing of it is left."""
    await shop.fill(MANY)
    asked = await shop.ask("customers")
    assert (asked.status_code, asked.headers["location"]) == (303, "/dashboard/exports")
    (file,) = await shop.files()
    assert (file.status, file.rows_expected) == ("waiting", MANY)
    early = await shop.fetch(file.id, shop.merchant)
    assert early.status_code == 404
    await work(process)

    (file,) = await shop.files()
    assert (file.status, file.rows_done) == ("ready", MANY)
    assert await shop.pieces() >= 2
    mails = await shop.client.get("/demo/mailbox")
    assert shop.merchant.email in mails.text
    fetched = await shop.fetch(file.id, shop.merchant)
    assert fetched.status_code == 200
    assert len(read_csv(fetched.content)) == MANY + 1
    assert len(fetched.content) == file.size_bytes
    again = await shop.fetch(file.id, shop.merchant)
    assert again.status_code == 404
    assert await shop.pieces() == 0


async def test_a_large_sheet_is_whole(shop: Shop, process: Process) -> None:
    """The pieces of a spreadsheet put together are a spreadsheet with every row."""
    await shop.fill(MANY)
    await shop.ask("customers", "xlsx")
    await work(process)
    (file,) = await shop.files()
    fetched = await shop.fetch(file.id, shop.merchant)
    sheet = zipfile.ZipFile(io.BytesIO(fetched.content)).read("xl/worksheets/sheet1.xml")

    assert sheet.count(b"<row ") == MANY + 1


async def test_a_file_is_only_for_who_asked(shop: Shop, process: Process, client: httpx2.AsyncClient) -> None:
    """Another merchant's owner, and nobody at all, get nothing; the file stays for its own."""
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    (file,) = await shop.files()
    other = await make_merchant(shop.database)
    foreign = await shop.fetch(file.id, other)
    nobody = await shop.fetch(file.id)

    assert foreign.status_code == 404
    assert nobody.status_code in {303, 401}
    assert [one.status for one in await shop.files()] == ["ready"]
    assert await shop.pieces() > 0


async def test_files_are_forgotten_after_a_week(shop: Shop, process: Process, clock: FixedClock) -> None:
    """What nobody fetched is deleted, and the list says so."""
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    clock.at += timedelta(days=7, hours=-1)
    await forget_late(context_of(process))
    assert [one.status for one in await shop.files()] == ["ready"]
    clock.at += timedelta(hours=2)
    await forget_late(context_of(process))

    assert [one.status for one in await shop.files()] == ["gone"]
    assert await shop.pieces() == 0


async def test_an_erased_person_is_in_no_file(shop: Shop, process: Process) -> None:
    """Deleting a person's data empties the files that wait."""
    card = await make_card(shop.database, shop.store, name="Anna")
    await shop.fill(MANY)
    await shop.ask("customers")
    await work(process)
    assert await shop.pieces() > 0
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await PERSONAL_DATA.get("exports").erase(session, shop.merchant.id, card.customer_id)

    assert await shop.pieces() == 0
    assert [one.status for one in await shop.files()] == ["gone"]


async def test_only_so_many_at_a_time(shop: Shop) -> None:
    """The fourth large file is refused politely, and nothing is queued for it."""
    await shop.fill(MANY)
    for _file in range(4):
        answer = await shop.ask("customers")
        assert answer.status_code == 303

    assert len(await shop.files()) == 3


async def order_at_once(shop: Shop, clock: FixedClock, *, count: int) -> int:
    """Order so many large files in transactions that all begin before the first one ends; returns how many are kept.

    Each waits, having ordered or been refused, until the others stand where it stood: in the worst place.
    """
    principal = Principal(
        "member",
        shop.merchant.id,
        shop.merchant.owner_id,
        role="owner",
        scopes=frozenset({"customers.export"}),
    )
    ready = Meeting(count)

    async def one() -> object:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await session.execute(text("SELECT 1"))
            await ready.wait()
            return await order_file(session, principal, key="customers", form="csv", now=clock.now())

    outcomes = await asyncio.gather(*(one() for _ in range(count)))
    ordered = sum(isinstance(outcome, OrderedFile) for outcome in outcomes)
    assert len(await shop.files()) == ordered
    return ordered


async def test_orders_at_once_stop_at_the_limit(shop: Shop, clock: FixedClock) -> None:
    """Of eight orders at the same moment three are taken."""
    await shop.fill(MANY)

    assert await order_at_once(shop, clock, count=8) == 3


async def test_control_without_the_lock_more_are_taken(
    shop: Shop, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody waits for the one before, all find a place free."""
    waiting = Meeting(8)

    async def lock_nothing(*_values: Any) -> None:
        return None

    counted = exports_service._under_way

    async def count_together(session: Any, merchant_id: Any) -> int:
        found = await counted(session, merchant_id)
        await waiting.wait()
        return found

    monkeypatch.setattr(exports_service, "lock_name", lock_nothing)
    monkeypatch.setattr(exports_service, "_under_way", count_together)
    await shop.fill(MANY)

    assert await order_at_once(shop, clock, count=8) == 8


async def test_an_export_is_on_the_record(shop: Shop) -> None:
    """Who took which table away stands in the audit, without what was in it."""
    await make_card(shop.database, shop.store, name="Anna")
    await shop.ask("customers")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        facts = await session.scalar(
            text("SELECT facts FROM audit_entry WHERE merchant_id = :m AND action = 'export.made'"),
            {"m": shop.merchant.id},
        )

    assert facts == {"table": "customers", "form": "csv", "rows": 1}


async def test_an_unknown_table_is_not_found(shop: Shop) -> None:
    """A made-up name makes nothing."""
    answer = await shop.ask("passwords")

    assert answer.status_code == 404
    assert await shop.files() == []


def test_sql_and_python_know_the_same_formulas() -> None:
    """A cell is quoted alike, whoever wrote the file."""
    assert set(FORMULA_STARTS) == set(python_csv.FORMULA_STARTS)


@pytest.mark.parametrize("start", FORMULA_STARTS)
async def test_the_database_quotes_formulas(shop: Shop, start: str) -> None:
    """Each beginning of a formula gets its apostrophe in SQL; the control: an ordinary text gets none."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        raw = await connection_of(session)
        query = f"SELECT {quoted_in_sql('given')} AS shown FROM unnest($1::text[]) AS given"  # noqa: S608
        found = [row["shown"] for row in await raw.fetch(query, [start + "1", "a" + start])]

    assert found == ["'" + start + "1", "a" + start]


def test_every_column_is_in_the_file() -> None:
    """The statement names each column once, whatever its kind, and both parameters."""
    exporter = EXPORTER.get("visits")
    query = file_query(exporter.query, exporter.columns, exponent=2)

    assert all(f'source."{column.name}"' in query for column in exporter.columns)
    assert "$1" in query
    assert "$2" in query


@pytest.mark.parametrize(
    ("title", "number", "name"),
    [
        ("Visits", 1, "Visits"),
        ("Visits", 2, "Visits 2"),
        ("a/b:c" * 10, 12, "a b ca b ca b ca b ca b ca b 12"),
    ],
)
def test_sheets_have_names_that_spreadsheets_take(title: str, number: int, name: str) -> None:
    """No forbidden sign, at most 31 letters, each its own."""
    assert sheet_name(title, number) == name
    assert len(name) <= 31


async def peak_of(shop: Shop, form: str, *, keeps: bool = False) -> int:
    """Write the customers' file and return how much memory that took at its highest."""
    kept: list[bytes] = []

    async def take(piece: bytes, _rows: int) -> None:
        if keeps:
            kept.append(piece)

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        order = Order(EXPORTER.get("customers"), await get_merchant(session, shop.merchant.id))
        tracemalloc.start()
        await WRITERS[form](session, order, take)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("form", "first", "more"), [("csv", 20_000, 80_000), ("xlsx", 4_000, 12_000)])
async def test_memory_does_not_grow_with_the_rows(shop: Shop, form: str, first: int, more: int) -> None:
    """Four or five times the rows take the memory of the first; the control: whoever keeps the pieces sees it grow."""
    await shop.fill(first)
    await peak_of(shop, form)  # what is loaded once
    small = await peak_of(shop, form)
    await shop.fill(more)
    large = await peak_of(shop, form)

    assert large < small * 1.4
    if form == "csv":
        assert await peak_of(shop, form, keeps=True) > small * 2.5


async def test_who_is_limited_to_a_store_gets_no_table_of_all_stores(shop: Shop, database: Database) -> None:
    """Every table is of the whole business: none is offered or given to who is limited to some stores."""
    own = await make_store(database, shop.merchant)
    manager = await make_member(database, shop.merchant.id, "manager", store_ids=(own.id,))
    answers = {
        table: (await shop.post(f"/dashboard/exports/{table}", manager, form="csv")).status_code
        for table in TABLES
    }

    assert answers == dict.fromkeys(TABLES, 404)
    page = (await shop.client.get("/dashboard/exports", headers=manager.headers)).text
    assert not [table for table in TABLES if f"/dashboard/exports/{table}" in page]
