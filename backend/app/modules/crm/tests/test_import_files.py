"""What files of customers say: encodings, workbooks, hostile ones, columns and rows."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date

import pytest
from xlsxwriter import Workbook

from app.modules.crm.importing.reading import Unreadable, decode, make_sheet, read_csv, read_sheet
from app.modules.crm.importing.rows import ParsedRow, guess_columns, parse_row

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
