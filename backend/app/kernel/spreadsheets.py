"""Small tables as files: CSV and XLSX made in memory. Large exports are streamed by the exports module instead."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from app.kernel.web.csv import BYTE_ORDER_MARK, csv_line

ROWS_MAX = 20_000

Cell = str | int | float | Decimal | date | datetime | None


def csv_bytes(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write rows as CSV in UTF-8, the header first; no cell is run by a spreadsheet."""
    return (BYTE_ORDER_MARK + "".join(csv_line(row) for row in rows)).encode()


def xlsx_bytes(title: str, rows: Sequence[Sequence[Cell]], *, formats: Sequence[str] = ()) -> bytes:
    """Write rows as one sheet with a bold, frozen first row. formats: a number format for each column, or empty."""
    from xlsxwriter import Workbook  # a quarter of a second, for those who ask for it

    assert len(rows) <= ROWS_MAX
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(title[:31].translate(str.maketrans("[]:*?/\\", "       ")) or "Table")
    bold = book.add_format({"bold": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    styles = [book.add_format({"num_format": form}) if form else None for form in formats]
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            if number == 0:
                sheet.write_string(0, place, str(value), bold)
            elif isinstance(value, str):
                sheet.write_string(number, place, value)
            elif isinstance(value, date):
                sheet.write_datetime(number, place, value, day)
            elif value is not None:
                sheet.write_number(number, place, value, styles[place] if place < len(styles) else None)
    sheet.freeze_panes(1, 0)
    sheet.autofit()
    book.close()
    return out.getvalue()
