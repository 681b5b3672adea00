"""Cells that a spreadsheet shows and never runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from app.kernel.web.csv import CHUNK_CHARACTERS, cell, csv_chunks, csv_line


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-5", "="])
def test_what_looks_like_a_formula_is_made_a_text(text: str) -> None:
    """Also a text that only looks like a number: it came as a text."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-5, "-5"),
        (Decimal("-5.50"), "-5.50"),
        (-1e9, "-1000000000.0"),
        (None, ""),
        ("", ""),
        ("plain = text", "plain = text"),
        ("'=1", "'=1"),
        (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 9, tzinfo=UTC), "2026-11-20T09:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_numbers_and_days_stay_what_they_are(value: object, shown: str) -> None:
    """Negative numbers are numbers; nothing else gets an apostrophe."""
    assert cell(value) == shown


def test_an_object_that_writes_a_formula_is_made_a_text() -> None:
    """Whatever is no number is treated as the text it turns into."""

    class Sly:
        def __str__(self) -> str:
            return "=1"

    assert cell(Sly()) == "'=1"


def test_lines_are_quoted_where_they_must() -> None:
    """Commas, quotes and line ends inside a cell stay inside it."""
    assert csv_line(['a,b"c', "x\ny", 3]) == '"a,b""c","x\ny",3\r\n'


async def test_a_file_comes_in_pieces() -> None:
    """The mark and the header come first; no piece grows with the number of rows."""

    async def rows() -> AsyncIterator[tuple[str]]:
        for _number in range(3_000):
            yield ("x" * 50,)

    pieces = [piece async for piece in csv_chunks(["head"], rows())]

    assert pieces[0].startswith("\ufeffhead\r\n")
    assert max(map(len, pieces)) < CHUNK_CHARACTERS + 60
    assert "".join(pieces).count("\r\n") == 3_001
