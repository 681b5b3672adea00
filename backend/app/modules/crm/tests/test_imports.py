"""Customers from a file: read, matched, tried, brought in once, and taken back."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from datetime import date

import pytest
from sqlalchemy import select, text
from xlsxwriter import Workbook

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.kernel.ledger import INVARIANT
from app.modules.cards.factories import make_card
from app.modules.crm.importing.jobs import forget_draft, work_on_import
from app.modules.crm.importing.reading import Unreadable, decode, make_sheet, read_csv, read_sheet
from app.modules.crm.importing.rows import ParsedRow, guess_columns, parse_row
from app.modules.crm.importing.work import BATCH, next_batch
from app.modules.crm.models import ImportRow, ImportRun
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}
URL = "/dashboard/customers/imports"
TODAY = date(2026, 11, 20)


def xlsx(*rows: tuple) -> bytes:
    """Return a workbook with these rows."""
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            if isinstance(value, date):
                sheet.write_datetime(number, place, value, day)
            elif isinstance(value, str) and value.startswith("="):
                sheet.write_formula(number, place, value, None, 7)
            else:
                sheet.write(number, place, value)
    book.close()
    return out.getvalue()


TABLE = "Nom;Prénom;E-mail\nMüller;Éva;eva@example.com\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_texts_come_in_many_encodings(encoding):
    """With and without a mark, and as Windows writes it."""
    assert decode(TABLE.encode(encoding)) == TABLE


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    """Also where the other signs stand in cells, and a cell has line breaks."""
    cells = [["name", "email", "note"], ["Ada; the, first", "a@example.com", "one\ntwo | x"], ["Bob", "", ""]]
    lines = [delimiter.join(f'"{cell}"' for cell in row) for row in cells]

    assert read_csv("\r\n".join(lines).encode()) == cells


async def test_a_workbook_is_read_as_text():
    """Days as days, whole numbers without a fraction, a formula as the value it was saved with."""
    data = xlsx(("Name", "Born", "Phone", "Points"), ("Ada", date(1990, 5, 17), 621123456, "=3+4"))

    sheet = await read_sheet(data)

    assert sheet.header == ["Name", "Born", "Phone", "Points"]
    assert sheet.rows == [["Ada", "1990-05-17", "621123456", "7"]]


def far_corner() -> bytes:
    """Return a workbook of a few bytes whose sheet names its first and its very last cell."""
    plain, out = xlsx(("Name",), ("Ada",)), io.BytesIO()
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            content = old.read(part)
            if part.endswith("sheet1.xml"):
                body = re.sub(
                    rb"<sheetData>.*</sheetData>", f"<sheetData>{rows}</sheetData>".encode(), content
                )
                content = body.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')
            new.writestr(part, content)
    return out.getvalue()


def bomb() -> bytes:
    """Return a container that unpacks to a quarter of a gigabyte."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("xl/workbook.xml", b"0" * 250_000_000)
    return out.getvalue()


def packed(name: str) -> bytes:
    """Return a container that is no workbook."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as container:
        container.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", {"empty"}),
        (b"name\n", {"empty"}),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", {"unreadable", "empty"}),
        (b"\xd0\xcf\x11\xe0rest", {"old_excel"}),
        (b"PK\x03\x04broken", {"unreadable"}),
        (packed("word/document.xml"), {"unreadable"}),
        (packed("xl/workbook.xml"), {"unreadable"}),
        (bomb(), {"too_large"}),
        (far_corner(), {"unreadable", "too_many"}),
        (b"name\n" + b"x" * 200_000, {"cell"}),
        (b"name\n" + b"x" * 1_001, {"cell"}),
        (b",".join([b"c"] * 61) + b"\n" + b"x,y\n", {"too_many"}),
        (b"x" * 10_000_001, {"too_large"}),
    ],
    ids=[
        "nothing",
        "header",
        "picture",
        "xls",
        "zip",
        "docx",
        "shell",
        "bomb",
        "corner",
        "huge",
        "long",
        "wide",
        "large",
    ],
)
async def test_hostile_files_are_refused(data, reason):
    """With a word for the reason, and without taking the memory they ask for."""
    with pytest.raises(Unreadable) as refused:
        await read_sheet(data)

    assert refused.value.reason in reason


def test_a_hundred_thousand_rows_are_the_most():
    """At the limit taken, one more refused."""
    rows = [["name"], *([["x"]] * 100_000)]

    assert len(make_sheet(rows).rows) == 100_000
    with pytest.raises(Unreadable):
        make_sheet([*rows, ["x"]])


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (["First Name", "Last Name", "E-Mail Address"], {"first_name": 0, "last_name": 1, "email": 2}),
        (["Nom", "Prénom", "Téléphone"], {"first_name": 1, "last_name": 0, "phone": 2}),
        (["Kunde", "Geburtsdatum", "Punkte", "?"], {"name": 0, "birthday": 1, "points": 2}),
        (["Numm", "Gebuertsdag", "Stempelen"], {"name": 0, "birthday": 1, "stamps": 2}),
        (["a", "b"], {}),
    ],
)
def test_columns_are_guessed_in_four_languages(header, columns):
    """By their names; what is not known is left alone."""
    assert guess_columns(header) == columns


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["Ada", "a@example.com", "", "", ""], None),
        (["", "", "", "", ""], "nobody"),
        (["Ada", "no address", "", "", ""], "email"),
        (["Ada", "", "12", "", ""], "phone"),
        (["Ada", "", "", "31.02.1990", ""], "birthday"),
        (["Ada", "", "", "17.5.", ""], None),
        (["Ada", "", "", "17/05/1990", "100"], None),
        (["Ada", "", "", "", "101"], "stamps"),
        (["Ada", "", "", "", "-1"], "stamps"),
        (["Ada", "", "", "", "1.5"], "stamps"),
        (["x" * 121, "", "", "", ""], "name"),
        (["=1+1", "", "", "", ""], None),
    ],
)
def test_a_row_says_who_or_what_is_wrong(cells, said):
    """Each mistake has its name; a formula is a text like others."""
    columns = {"name": 0, "email": 1, "phone": 2, "birthday": 3, "stamps": 4}
    found = parse_row(cells, columns, today=TODAY, locale="en")

    assert (None if isinstance(found, ParsedRow) else found) == said


class Shop:
    """A merchant who imports."""

    def __init__(self, client, database, process) -> None:
        self.client, self.database, self.process = client, database, process

    async def open(self):
        self.merchant = await make_merchant(self.database)
        self.store = await make_store(self.database, self.merchant, "hybrid")
        return self

    async def post(self, path, page=URL, files=None, **data):
        self.client.cookies.clear()
        self.client.cookies.update(self.merchant.cookies)
        shown = await self.client.get(page, headers=HTML)
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text).group(1)
        return await self.client.post(path, data={"csrf": token, **data}, files=files, headers=HTML)

    async def upload(self, content, name="people.csv"):
        data = content.encode() if isinstance(content, str) else content
        answer = await self.post(URL, files={"file": (name, data, "text/csv")})
        assert answer.status_code == 303, answer.text[:200]
        return answer.headers["location"]

    async def work(self):
        parts = self.process
        runner = JobRunner(
            parts.database, parts.registry, parts.settings, parts.clock, resources=parts.resources
        )
        await runner.drain()

    async def bring(self, content, **plan):
        """Upload, check and start; returns the address."""
        url = await self.upload(content)
        assert (await self.post(f"{url}/check", url, **plan)).status_code == 303
        await self.work()
        assert (await self.post(f"{url}/start", url)).status_code == 303
        await self.work()
        return url

    async def run(self, url):
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (
                await session.scalars(select(ImportRun).where(ImportRun.id == url.rpartition("/")[2]))
            ).one()

    async def ask(self, query, **values):
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (await session.execute(text(query), values)).all()

    async def people(self):
        rows = await self.ask("SELECT name, email, phone FROM customer WHERE erased_at IS NULL ORDER BY id")
        return [tuple(row) for row in rows]

    def context(self):
        names = ("database", "settings", "clock", "registry", "resources")
        return JobContext(
            **{name: getattr(self.process, name) for name in names}, merchant_id=self.merchant.id
        )

    async def check_ledgers(self):
        async with tenant_scope(self.database, self.merchant.id) as session:
            assert [row for _n, check in INVARIANT.items() for row in await check(session)] == []


@pytest.fixture
async def shop(client, database, process):
    return await Shop(client, database, process).open()


FILE = (
    "Name,Email,Phone,Newsletter,Stamps,Points\n"
    "Ada,ada@example.com,+352621111111,yes,3,50\n"
    "Bob,bob@example.com,,no,0,0\n"
    "Ada again,ADA@example.com,,yes,1,1\n"
    "Eve,not an address,,yes,0,0\n"
    "Old,old@example.com,+352621222222,yes,9,9\n"
)
COLUMNS = {
    "column_name": "0", "column_email": "1", "column_phone": "2",
    "column_consent": "3", "column_stamps": "4", "column_points": "5",
}  # fmt: skip
STATED = {"stated": "true", "statement": "Newsletter box on the old website, 2024"}


async def test_a_file_is_tried_then_brought_in(shop):
    """The trial writes nobody and counts what the import then does; gaps are filled, nothing is overwritten."""
    old = await make_card(shop.database, shop.store, name="Olga", email="old@example.com", stamps=1)
    url = await shop.upload(FILE)
    plan = {**COLUMNS, **STATED, "store": str(shop.store.id)}
    assert (await shop.post(f"{url}/check", url, **plan)).status_code == 303
    await shop.work()

    tried = await shop.run(url)
    assert (tried.status, tried.counts) == ("checked", {"new": 2, "duplicate": 1, "invalid": 1, "known": 1})
    assert await shop.people() == [("Olga", "old@example.com", None)]

    await shop.post(f"{url}/start", url)
    await shop.work()
    done = await shop.run(url)
    assert (done.status, done.counts) == ("done", {"new": 2, "duplicate": 1, "invalid": 1, "updated": 1})
    assert await shop.people() == [
        ("Olga", "old@example.com", "+352621222222"),
        ("Ada", "ada@example.com", "+352621111111"),
        ("Bob", "bob@example.com", None),
    ]
    cards = await shop.ask("SELECT stamp_count, points_balance FROM pass_object ORDER BY id")
    assert [tuple(row) for row in cards] == [(1, 0), (3, 50), (0, 0)]
    reasons = await shop.ask("SELECT kind, rule ->> 'reason' FROM points_event")
    assert [tuple(row) for row in reasons] == [("adjust", "import")]
    assert old.customer_id
    await shop.check_ledgers()
    page = await shop.client.get(url, headers=HTML | shop.merchant.headers)
    assert "Row 5" in page.text
    assert "this is no e-mail address" in page.text


async def test_consent_needs_a_statement(shop):
    """Without one nobody agreed; with one the record has its words, and nobody was written to."""
    await shop.bring(FILE, **COLUMNS, store=str(shop.store.id))
    assert await shop.ask("SELECT 1 FROM consent_record") == []

    other = await Shop(shop.client, shop.database, shop.process).open()
    await other.bring(FILE, **COLUMNS, **STATED, store=str(other.store.id))
    records = await other.ask("SELECT given, source, text_version, text_shown FROM consent_record")
    assert [tuple(row) for row in records] == [(True, "import", "stated", STATED["statement"])] * 2
    agreed = await other.ask("SELECT email FROM customer WHERE email_consent ORDER BY email")
    assert [row.email for row in agreed] == ["ada@example.com", "old@example.com"]
    assert await other.ask("SELECT 1 FROM outbox_message") == []


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({}, "Say at least which column"),
        ({"column_name": "0", "column_email": "0"}, "A column can mean one thing only."),
        ({"column_name": "0", "column_stamps": "4"}, "Stamps and points need a card"),
        ({"column_name": "0", "column_consent": "3", "stated": "true"}, "Say where and when they agreed"),
        ({"column_name": "0", **STATED}, "Say which column tells who agreed."),
    ],
)
async def test_a_plan_that_makes_no_sense_is_told(shop, plan, words):
    """The page says what is missing, and the import stays where it was."""
    url = await shop.upload(FILE)
    answer = await shop.post(f"{url}/check", url, **plan)

    assert answer.status_code == 422
    assert words in answer.text
    assert (await shop.run(url)).status == "draft"


async def test_the_same_file_leads_to_its_import(shop):
    """Uploaded again, it is not kept twice; after it was taken back, it may come again."""
    url = await shop.bring(FILE, column_name="0", column_email="1")
    assert await shop.upload(FILE, name="other-name.csv") == url
    assert len(await shop.people()) == 3

    await shop.post(f"{url}/undo", url)
    await shop.work()
    assert await shop.upload(FILE) != url


async def test_an_undo_keeps_whom_came(shop):
    """Who has a visit stays with the balance; the others are erased, by entries of their own, and the tag is theirs."""
    url = await shop.bring(FILE, **COLUMNS, store=str(shop.store.id))
    card = (
        await shop.ask(
            "SELECT p.id FROM pass_object p JOIN customer c ON c.id = p.customer_id AND c.name = 'Ada'"
        )
    )[0].id
    await shop.ask(
        "INSERT INTO redemption (merchant_id, id, reward_id, pass_id, store_id, given_by, kind, cost, redeemed_at)"
        " SELECT p.merchant_id, gen_random_uuid(), r.id, p.id, p.store_id, 'pin', 'points', 0, now()"
        " FROM pass_object p, reward r WHERE p.id = :card LIMIT 1 RETURNING id",
        card=card,
    )
    await shop.post(f"{url}/undo", url)
    await shop.work()

    run = await shop.run(url)
    assert (run.status, run.counts["removed"], run.counts["kept"]) == ("undone", 2, 1)
    assert [row[0] for row in await shop.people()] == ["Ada"]
    balances = await shop.ask(
        "SELECT status, points_balance FROM pass_object ORDER BY points_balance DESC, status"
    )
    assert [tuple(row) for row in balances] == [("active", 50), ("erased", 0), ("erased", 0)]
    await shop.check_ledgers()


def many(count: int) -> str:
    """Return a file with so many people; the first and every tenth after has points."""
    points = [0 if n % 10 else 5 for n in range(count)]
    return "Name,Email,Points\n" + "".join(f"P{n},p{n}@example.com,{points[n]}\n" for n in range(count))


async def test_a_killed_worker_doubles_nobody(shop, clock):
    """Killed after a kept batch and in the middle of the next, the job goes on: everybody once, each balance once."""
    count = 2 * BATCH + 20
    url = await shop.upload(many(count))
    plan = {"column_name": "0", "column_email": "1", "column_points": "2", "store": str(shop.store.id)}
    await shop.post(f"{url}/check", url, **plan)
    await shop.work()
    await shop.post(f"{url}/start", url)
    run_id = (await shop.run(url)).id
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await next_batch(session, shop.merchant.id, run_id, now=clock.now())

    class Killed(Exception):
        """The end of a process, as far as its transaction knows."""

    with pytest.raises(Killed):  # noqa: PT012 (the transaction must end by it)
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await next_batch(session, shop.merchant.id, run_id, now=clock.now())
            raise Killed
    assert len(await shop.people()) == BATCH

    await shop.work()
    run = await shop.run(url)
    assert (run.status, run.counts) == ("done", {"new": count})
    assert len(await shop.people()) == count
    assert (await shop.ask("SELECT count(*), sum(points_added) FROM points_event"))[0] == (
        count // 10,
        count // 2,
    )
    await work_on_import(shop.context(), run_id=run_id)
    assert len(await shop.people()) == count


async def test_two_imports_at_once_add_a_person_once(shop, clock):
    """The second is refused while one is under way; two workers on two runs, forced, still add everybody once."""
    urls = [await shop.upload(many(30)), await shop.upload(many(30) + "Extra,extra@example.com,1\n")]
    for url in urls:
        await shop.post(f"{url}/check", url, column_name="0", column_email="1")
    await shop.work()
    assert (await shop.post(f"{urls[0]}/start", urls[0])).status_code == 303
    await shop.post(f"{urls[1]}/start", urls[1])
    runs = [await shop.run(url) for url in urls]
    assert [run.status for run in runs] == ["running", "checked"]

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(
            text("UPDATE import_run SET status = 'running', rows_done = 0, counts = '{}' WHERE id = :id"),
            {"id": runs[1].id},
        )
    await asyncio.gather(*(work_on_import(shop.context(), run_id=run.id) for run in runs for _ in range(2)))

    assert len(await shop.people()) == 31
    counts = [(await shop.run(url)).counts for url in urls]
    assert sum(count.get("new", 0) for count in counts) == 31


async def test_a_forgotten_draft_is_forgotten(shop):
    """A day later no row is left; what was brought in is, without its cells."""
    await shop.bring(FILE, column_name="0", column_email="1")
    draft = await shop.upload(many(3))
    for run in (
        await shop.run(draft),
        (await shop.ask("SELECT id FROM import_run WHERE status = 'done'"))[0],
    ):
        await forget_draft(shop.context(), run_id=run.id)

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = (await session.scalars(select(ImportRow))).all()
    assert (len(rows), [row.cells for row in rows]) == (5, [None] * 5)


async def test_a_large_file_is_taken_here_only(shop):
    """Five megabytes are read as a file of customers; another address still refuses them."""
    content = many(20) + "\n" * 5_000_000
    assert (await shop.upload(content)).startswith(URL)
    other = await shop.post(
        "/dashboard/customers/tag",
        "/dashboard/customers",
        files={"file": ("x", content.encode(), "text/csv")},
    )
    assert other.status_code == 413


async def test_a_neighbours_import_is_unknown(shop):
    """Not shown, not started, not taken back."""
    url = await shop.upload(FILE)
    neighbour = await Shop(shop.client, shop.database, shop.process).open()

    answers = [await neighbour.post(f"{url}/{action}") for action in ("start", "undo", "discard")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await neighbour.client.get(url, headers=HTML | neighbour.merchant.headers)).status_code == 404
    assert (await shop.run(url)).status == "draft"
