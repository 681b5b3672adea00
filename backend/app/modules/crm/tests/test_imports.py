"""Customers from a file: matched, tried, brought in once, and taken back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.crm.importing.jobs import forget_draft
from app.modules.crm.models import ImportRow
from app.modules.crm.tests.importers import COLUMNS, FILE, HTML, STATED, URL, Shop, many


@pytest.fixture
async def shop(client, database, process):
    """Return an open shop."""
    return await Shop(client, database, process).open()


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
