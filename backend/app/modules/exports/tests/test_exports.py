"""Downloads that come at once: what is in them, and who gets them."""

from __future__ import annotations

import io
import zipfile

import pytest
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.points import EXPORTER
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.exports.tests.conftest import Shop, read_csv
from app.modules.stores.factories import make_store

TABLES = ("customers", "cards", "visits", "stamps", "points", "redemptions", "staff", "audit", "daily")


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
