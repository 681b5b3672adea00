"""A program of its own: reads a workbook from standard input, writes its first sheet's rows as JSON.

It bounds its own memory and time before it looks at the file. Exit code 3: too many rows or columns.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from datetime import date, datetime, time

MEMORY_BYTES_MAX = 1_200_000_000
CPU_SECONDS_MAX = 30
ROWS_MAX = 100_001
COLUMNS_MAX = 60
TOO_MANY = 3


def plain(value: object) -> str:
    """Return a cell as text: whole numbers without a fraction, days as 1990-05-17."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        is_day = (value.hour, value.minute, value.second) == (0, 0, 0)
        return (value.date() if is_day else value).isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if value is not None else ""


def main() -> int:
    """Read, check, write."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    sheet = book.get_sheet_by_index(0)
    if sheet.total_height > ROWS_MAX or sheet.total_width > COLUMNS_MAX:
        return TOO_MANY
    rows = [[plain(cell) for cell in row] for row in sheet.to_python(skip_empty_area=True)]
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
