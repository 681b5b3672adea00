"""CSV files as answers: streamed, with cells that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime

from starlette.responses import StreamingResponse

# What makes a spreadsheet take a cell for a formula, at its beginning.
# Source: OWASP, "CSV Injection", read November 2026.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
CHUNK_CHARACTERS = 32_768
# Spreadsheets take a file for UTF-8 by this mark only.
BYTE_ORDER_MARK = "\ufeff"


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet runs: one that looks like a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def cell(value: object) -> str:
    """Return a value as a cell's text. Numbers stay numbers, negative ones too; texts are made safe."""
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return safe_text(value) if isinstance(value, str) else safe_number(value)


def safe_number(value: object) -> str:
    """Return a number as it is written; anything else that is no text is made safe like one."""
    text = str(value)
    try:
        float(text)
    except ValueError:
        return safe_text(text)
    return text


def csv_line(values: Iterable[object]) -> str:
    """Return one row with its line end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([cell(value) for value in values])
    return line.getvalue()


async def csv_chunks(header: Sequence[str], rows: AsyncIterator[Sequence[object]]) -> AsyncIterator[str]:
    """Yield the file in pieces of some size; what is in memory does not grow with the number of rows."""
    waiting = BYTE_ORDER_MARK + csv_line(header)
    async for row in rows:
        waiting += csv_line(row)
        if len(waiting) >= CHUNK_CHARACTERS:
            yield waiting
            waiting = ""
    yield waiting


def csv_response(
    name: str, header: Sequence[str], rows: AsyncIterator[Sequence[object]]
) -> StreamingResponse:
    """Answer with a file to be saved. name: without ending; ASCII letters, digits and dashes.

    The rows are read while the file is sent, after the request's session was closed: they open their own.
    """
    assert name.isascii()
    assert name.replace("-", "").isalnum()
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(csv_chunks(header, rows), media_type="text/csv; charset=utf-8", headers=headers)
