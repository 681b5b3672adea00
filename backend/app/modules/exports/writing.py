"""Writing the bytes of a file: CSV copied out by the database, XLSX row by row, archives as they are packed."""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.jobs.enqueue import connection_of
from app.kernel.money import currency_exponent
from app.kernel.points import Exporter
from app.kernel.web.csv import BYTE_ORDER_MARK, csv_line
from app.modules.exports.rules import SHEET_ROWS_MAX, file_query, sheet_name
from app.modules.merchants.public import MerchantView

ROWS_AT_ONCE = 2_000
PIECE_BYTES = 1_000_000
# An archive's pieces are smaller: each comes on top of a table's piece that is being packed.
PACKED_BYTES = 200_000
COPY_TIMEOUT = timedelta(minutes=25)
NUMBERS = frozenset({"count", "money"})
# Takes (bytes, rows written so far).
Take = Callable[[bytes, int], Awaitable[None]]


@dataclass(frozen=True)
class Order:
    """A file to be written: which table, for whom. Written in the language at hand."""

    exporter: Exporter
    merchant: MerchantView

    def statement(self) -> str:
        """Return the statement whose rows are the file's."""
        exponent = currency_exponent(self.merchant.currency)
        return file_query(self.exporter.query, self.exporter.columns, exponent=exponent)

    def header(self) -> list[str]:
        """Return the titles of the columns."""
        return [_(column.title) for column in self.exporter.columns]


async def count_rows(session: AsyncSession, exporter: Exporter, merchant_id: UUID) -> int:
    """Return how many rows a table has."""
    raw = await connection_of(session)
    return int(await raw.fetchval(exporter.counting, merchant_id))


async def _patient(session: AsyncSession) -> Any:
    """Return the session's connection with time for a large table: the role's own limit is made for pages.

    The writer also waits for whoever takes the pieces, which counts as idling inside the transaction.
    """
    raw = await connection_of(session)
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        await raw.execute(f"SET LOCAL {limit} = '{int(COPY_TIMEOUT.total_seconds())}s'")
    return raw


async def write_csv(session: AsyncSession, order: Order, take: Take) -> int:
    """Hand the file over in pieces as the database copies it out; returns the number of rows."""
    raw = await _patient(session)
    waiting = bytearray((BYTE_ORDER_MARK + csv_line(order.header())).encode())
    rows = 0

    async def keep(part: bytes) -> None:
        # Lines are counted, not rows: a text may hold a line break. It is for the progress only.
        nonlocal rows
        waiting.extend(part)
        rows += part.count(b"\n")
        if len(waiting) >= PIECE_BYTES:
            await take(bytes(waiting), rows)
            waiting.clear()

    done = await raw.copy_from_query(
        order.statement(),
        order.merchant.id,
        order.merchant.time_zone,
        output=keep,
        format="csv",
        timeout=COPY_TIMEOUT.total_seconds(),
    )
    rows = int(str(done).rpartition(" ")[2])
    await take(bytes(waiting), rows)
    return rows


async def _read_rows(session: AsyncSession, order: Order) -> AsyncIterator[list[Any]]:
    raw = await _patient(session)
    cursor = await raw.cursor(order.statement(), order.merchant.id, order.merchant.time_zone)
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        yield rows


async def write_xlsx(session: AsyncSession, order: Order, take: Take) -> int:
    """Write the sheets to a file of the moment, row by row, and hand it over in pieces; returns the number of rows."""
    with tempfile.TemporaryDirectory(prefix="stempel-export-") as folder:
        path = Path(folder) / "export.xlsx"
        book = _Book(path, order)
        async for rows in _read_rows(session, order):
            await asyncio.to_thread(book.add, rows)
            await take(b"", book.rows)
        await asyncio.to_thread(book.close)
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                await take(piece, book.rows)
        return book.rows


class _Book:
    """A workbook that keeps one row in memory, and goes on with a new sheet where one is full."""

    def __init__(self, path: Path, order: Order) -> None:
        from xlsxwriter import Workbook  # a quarter of a second, for those who ask for it

        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = Workbook(str(path), {**options, "tmpdir": str(path.parent)})
        self._bold = self._book.add_format({"bold": True})
        self._title, self._header = _(order.exporter.title), order.header()
        self._is_number = [column.kind in NUMBERS for column in order.exporter.columns]
        self._sheets = 0
        self.rows = 0
        self._open_sheet()

    def _open_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(sheet_name(self._title, self._sheets))
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, self._header, self._bold)
        self._line = 1

    def add(self, rows: list[Any]) -> None:
        """Write rows."""
        for row in rows:
            if self._line == SHEET_ROWS_MAX:
                self._open_sheet()
            for place, value in enumerate(row):
                if value is None:
                    continue
                if self._is_number[place] and isinstance(value, int | float | Decimal):
                    self._sheet.write_number(self._line, place, float(value))
                else:
                    self._sheet.write_string(self._line, place, str(value))
            self._line += 1
            self.rows += 1

    def close(self) -> None:
        """Finish the file."""
        self._book.close()


class _Outlet:
    """What an archive is written to: it only ever grows at its end, and what is there is taken away in pieces."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes) -> int:
        """Take bytes in."""
        self.waiting.extend(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever takes the pieces says when."""

    def taken(self, *, at_least: int = 0) -> bytes:
        """Give out what waits, once it is so much."""
        if len(self.waiting) < at_least:
            return b""
        piece = bytes(self.waiting)
        self.waiting.clear()
        return piece


async def write_zip(session: AsyncSession, orders: Mapping[str, Order], take: Take) -> int:
    """Hand over an archive with each table as CSV, packed as it is copied out; returns the number of rows."""
    outlet, rows = _Outlet(), 0
    with zipfile.ZipFile(outlet, "w") as archive:  # type: ignore[call-overload]
        for name, order in orders.items():
            entry = zipfile.ZipInfo(f"{name}.csv")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                before = rows

                async def pack(piece: bytes, done: int, into: Any = file, above: int = before) -> None:
                    await asyncio.to_thread(into.write, piece)
                    await take(outlet.taken(at_least=PACKED_BYTES), above + done)

                rows += await write_csv(session, order, pack)
    await take(outlet.taken(), rows)
    return rows


async def write_file(
    session: AsyncSession, tables: Mapping[str, Exporter], merchant: MerchantView, *, form: str, take: Take
) -> int:
    """Write a file of one table, or an archive of any number; returns the number of rows."""
    orders = {name: Order(exporter, merchant) for name, exporter in tables.items()}
    if form == "zip":
        return await write_zip(session, orders, take)
    (order,) = orders.values()
    return await WRITERS[form](session, order, take)


WRITERS: dict[str, Callable[[AsyncSession, Order, Take], Awaitable[int]]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
}
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
