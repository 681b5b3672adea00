"""From a file of strangers to rows of text: CSV in its many kinds, XLSX read by a process of its own."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _

FILE_BYTES_MAX = 10_000_000
ROWS_MAX = 100_000
COLUMNS_MAX = 60
CELL_LENGTH_MAX = 1_000
DELIMITERS = ",;\t|"
SNIFFED_LINES = 20
SNIFFED_TEXT = 100_000
# What an XLSX may be unpacked, said by itself; that it tells the truth is what the reader's own limits are for.
UNPACKED_MAX = 200_000_000
PARTS_MAX = 2_000
READER_SECONDS = 40
READER_BYTES_MAX = 80_000_000
READERS_AT_ONCE = 2
_reading = asyncio.Semaphore(READERS_AT_ONCE)
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds: the first row as names of columns, the others as they are."""

    header: list[str]
    rows: list[list[str]]


class Unreadable(Exception):
    """The file is none that is taken. reason: a key of the words below."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refused(error: Unreadable) -> Invalid:
    """Return the words for the field."""
    words = {
        "too_large": _("This file is too large: at most 10 MB."),
        "too_many": _("This file has too many rows or columns: at most 100,000 rows and 60 columns."),
        "empty": _("There is nothing in this file: the first row names the columns, the people follow."),
        "old_excel": _("This is an old Excel file. Please save it as XLSX or CSV."),
        "cell": _("A cell of this file is too long."),
    }
    text = words.get(error.reason, _("This file cannot be read. Please choose a CSV or an XLSX file."))
    return Invalid(extra={"fields": {"file": text}})


async def read_sheet(data: bytes) -> Sheet:
    """Return what a file holds; raises Unreadable. Formulas are text or the value they were saved with."""
    if len(data) > FILE_BYTES_MAX:
        raise Unreadable("too_large")
    if data.startswith(_OLD_EXCEL):
        raise Unreadable("old_excel")
    if data.startswith(_ZIP):
        rows = await _read_xlsx(data)
    else:
        rows = await asyncio.to_thread(read_csv, data)
    return make_sheet(rows)


def make_sheet(rows: Sequence[Sequence[str]]) -> Sheet:
    """Return rows with their header; raises Unreadable for too many, and where nobody follows the header."""
    kept = [[cell.strip() for cell in row] for row in rows]
    kept = [row for row in kept if any(row)]
    if len(kept) < 2:
        raise Unreadable("empty")
    width = max(len(row) for row in kept)
    if len(kept) - 1 > ROWS_MAX or width > COLUMNS_MAX:
        raise Unreadable("too_many")
    if any(len(cell) > CELL_LENGTH_MAX for row in kept for cell in row):
        raise Unreadable("cell")
    # NUL is no text for the database, and no sign of anything that people write.
    padded = [[cell.replace("\x00", "") for cell in row] + [""] * (width - len(row)) for row in kept]
    return Sheet(padded[0], padded[1:])


def decode(data: bytes) -> str:
    """Return a text file's text: by its mark, else UTF-8, else as Windows writes it; raises Unreadable."""
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig", "replace")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if data.count(0) > len(data) // 4:
        # Every second byte is empty: UTF-16 without its mark.
        return data.decode("utf-16-le" if data[1:2] == b"\x00" else "utf-16-be", "replace")
    if b"\x00" in data:
        raise Unreadable("unreadable")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def sniff_delimiter(text: str) -> str:
    """Return the sign between the cells: the one that divides the first lines into the most equal columns."""
    lines = text[:SNIFFED_TEXT].splitlines()[:SNIFFED_LINES]

    def weight(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] < 2:
            return 0, 0
        return sum(width == widths[0] for width in widths), widths[0]

    return max(DELIMITERS, key=weight)


def read_csv(data: bytes) -> list[list[str]]:
    """Return the rows of a CSV file; raises Unreadable."""
    text = decode(data)
    try:
        delimiter = sniff_delimiter(text)
        rows: list[list[str]] = []
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > ROWS_MAX + 1:
                raise Unreadable("too_many")
    except csv.Error as error:
        raise Unreadable("cell" if "field larger" in str(error) else "unreadable") from error
    return rows


def check_parts(data: bytes) -> None:
    """Refuse a container that says it unpacks to more than we take, or that is no workbook; raises Unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            parts = container.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Unreadable("unreadable") from error
    if len(parts) > PARTS_MAX or sum(part.file_size for part in parts) > UNPACKED_MAX:
        raise Unreadable("too_large")
    if not any(part.filename.startswith("xl/") for part in parts):
        raise Unreadable("unreadable")


async def _read_xlsx(data: bytes) -> list[list[str]]:
    """Let a process with bounded memory and time read it: a few bytes can name a sheet as large as a country."""
    check_parts(data)
    async with _reading:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.modules.crm.importing.xlsx_reader"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(READER_SECONDS):
                out, _errors = await process.communicate(data)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise Unreadable("too_large") from error
    if process.returncode != 0 or len(out) > READER_BYTES_MAX:
        raise Unreadable("too_many" if process.returncode == 3 else "unreadable")
    rows: list[list[str]] = await asyncio.to_thread(json.loads, out)
    return rows
