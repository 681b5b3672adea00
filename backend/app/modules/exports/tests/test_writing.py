"""How files are written: quoted, named, and in the same memory however many rows they have."""

from __future__ import annotations

import tracemalloc

import pytest

from app.db.session import tenant_scope
from app.kernel.jobs.enqueue import connection_of
from app.kernel.points import EXPORTER
from app.kernel.web import csv as python_csv
from app.modules.exports.rules import FORMULA_STARTS, file_query, quoted_in_sql, sheet_name
from app.modules.exports.tests.conftest import Shop
from app.modules.exports.writing import write_file
from app.modules.merchants.public import get_merchant


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
        tables = {"customers": EXPORTER.get("customers")}
        merchant = await get_merchant(session, shop.merchant.id)
        tracemalloc.start()
        await write_file(session, tables, merchant, form=form, take=take)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("form", "first", "more"), [("csv", 20_000, 80_000), ("xlsx", 4_000, 12_000), ("zip", 20_000, 80_000)]
)
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
