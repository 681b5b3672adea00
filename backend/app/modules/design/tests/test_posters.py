"""Posters as a print shop gets them: rendered, measured, and their codes read back."""

from __future__ import annotations

import io

import httpx2
import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from app.db.session import Database, tenant_scope
from app.kernel.permissions import Principal
from app.modules.design.posters.codes import code_png, code_svg
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import MADE_AT, make_store
from app.modules.stores.public import StoreView, change_program

DOTS_PER_INCH = 200
MM_PER_INCH = 25.4
TRIM = {"a4": (210, 297), "a5": (148, 210), "tent": (105, 296), "round": (100, 100), "square": (100, 100)}
MARGIN = 11.5


def rendered(pdf: bytes) -> Image.Image:
    """Return the first page as a print at 200 dots an inch."""
    page = pypdfium2.PdfDocument(pdf)[0]
    picture: Image.Image = page.render(scale=DOTS_PER_INCH / 72).to_pil()
    return picture.convert("RGB")


def size_mm(pdf: bytes) -> tuple[float, float]:
    """Return the page's size in millimetres."""
    width, height = pypdfium2.PdfDocument(pdf)[0].get_size()
    return round(width / 72 * MM_PER_INCH, 1), round(height / 72 * MM_PER_INCH, 1)


async def colored(database: Database, merchant: MadeMerchant, store: StoreView, **design: str) -> None:
    """Give the store's cards other colours."""
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(database, merchant.id) as session:
        await change_program(session, owner, store.id, changes={"design": design}, now=MADE_AT)


@pytest.mark.parametrize("name", list(TRIM))
async def test_every_format_has_its_size_and_its_code(
    client: httpx2.AsyncClient, database: Database, name: str
) -> None:
    """The page is what is cut, or has bleed and marks around it, and a reader finds the join address each time."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/posters/{name}.pdf"

    plain = await client.get(url, headers=merchant.headers)
    marked = await client.get(f"{url}?marks=true", headers=merchant.headers)

    width, height = TRIM[name]
    assert plain.headers["content-type"] == "application/pdf"
    assert size_mm(plain.content) == (width, height)
    assert size_mm(marked.content) == (width + 2 * MARGIN, height + 2 * MARGIN)
    for answer in (plain, marked):
        found = zxingcpp.read_barcodes(rendered(answer.content))
        assert {code.text for code in found} == {f"http://testserver/join/{store.id}"}
        assert len(found) == (2 if name == "tent" else 1)


def box_mm(box: tuple[float, ...] | None) -> tuple[float, ...]:
    """Return a box of a page in millimetres."""
    assert box is not None
    return tuple(round(side / 72 * MM_PER_INCH, 1) for side in box)


@pytest.mark.parametrize("name", ["a4", "tent", "round"])
async def test_the_file_says_where_to_cut(client: httpx2.AsyncClient, database: Database, name: str) -> None:
    """TrimBox is the format, BleedBox three millimetres more on each side, and both fonts are in the file."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/posters/{name}.pdf?marks=true"

    pdf = (await client.get(url, headers=merchant.headers)).content
    page = pypdfium2.PdfDocument(pdf)[0]

    width, height = TRIM[name]
    near, far = MARGIN - 3, (MARGIN + width + 3, MARGIN + height + 3)
    assert box_mm(page.get_trimbox(fallback_ok=False)) == (MARGIN, MARGIN, MARGIN + width, MARGIN + height)
    assert box_mm(page.get_bleedbox(fallback_ok=False)) == (near, near, *far)
    assert pdf.count(b"/FontFile2") == 2


def test_a_code_with_a_logo_is_read_in_small_print_on_colour() -> None:
    """Two centimetres wide at 300 dots an inch, on the card's green: the logo in the middle costs nothing."""
    out = io.BytesIO()
    Image.new("RGB", (300, 300), "#111111").save(out, "PNG")
    text = "https://cards.example.com/join/0199d0c2-aaaa-7bbb-8ccc-1234567890ab"
    code = Image.open(io.BytesIO(code_png(text, out.getvalue(), scale=8)))
    side = round(20 / MM_PER_INCH * 300)
    printed = Image.new("RGB", (3 * side, 3 * side), "#0b5c46")
    printed.paste(code.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (side, side))

    (found,) = zxingcpp.read_barcodes(printed)

    assert (found.text, found.ec_level) == (text, "H")


async def test_colour_reaches_three_millimetres_beyond_the_cut(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """A knife a little off still cuts through colour; beyond the bleed the sheet is white."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/posters/a5.pdf?marks=true"

    picture = rendered((await client.get(url, headers=merchant.headers)).content)

    def dot(mm: float) -> tuple[int, ...]:
        side = round(mm / MM_PER_INCH * DOTS_PER_INCH)
        found = picture.getpixel((side, picture.height // 2))
        assert isinstance(found, tuple)
        return found

    assert dot(MARGIN - 2.7) == (0x0B, 0x5C, 0x46)
    assert dot(MARGIN - 3.4) == (255, 255, 255)


@pytest.mark.parametrize(
    ("background", "foreground"), [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#7a0019", "#ffe9c9")]
)
@pytest.mark.parametrize("tone", ["card", "light"])
async def test_codes_are_read_on_any_colour(
    client: httpx2.AsyncClient, database: Database, background: str, foreground: str, tone: str
) -> None:
    """Black, white and wine-red cards, in colour and on white: the code always stands on white of its own."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    await colored(database, merchant, store, background_color=background, foreground_color=foreground)
    url = f"/dashboard/stores/{store.id}/posters/a5.pdf?tone={tone}&kind=stamp"

    (code,) = zxingcpp.read_barcodes(rendered((await client.get(url, headers=merchant.headers)).content))

    assert code.text == f"http://testserver/stamp/{store.id}"


async def test_words_are_in_the_posters_language(client: httpx2.AsyncClient, database: Database) -> None:
    """French and Luxembourgish letters are in the file as text, and an own headline wins."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    texts = {}
    for wish in ("language=fr", "language=lb", "language=de&headline=Grüße+aus+Ëlwen"):
        url = f"/dashboard/stores/{store.id}/posters/a4.pdf?{wish}"
        answer = await client.get(url, headers=merchant.headers)
        page = pypdfium2.PdfDocument(answer.content)[0]
        texts[wish[9:11]] = " ".join(page.get_textpage().get_text_bounded().split())

    assert "Collectez vos tampons ici" in texts["fr"]
    assert "Sammelt hei Stempelen" in texts["lb"]
    assert "Grüße aus Ëlwen" in texts["de"]


async def test_the_page_shows_every_format(client: httpx2.AsyncClient, database: Database) -> None:
    """A picture and a file for each, the picture small and kept by the browser."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/posters"

    page = await client.get(url, headers=merchant.headers)
    picture = await client.get(f"{url}/a4.png?language=en", headers=merchant.headers)
    again = {**merchant.headers, "If-None-Match": picture.headers["etag"]}

    for name in TRIM:
        assert f"{url}/{name}.pdf?" in page.text
    assert Image.open(io.BytesIO(picture.content)).size[1] == 640
    assert len(picture.content) < 60_000
    assert (await client.get(f"{url}/a4.png?language=en", headers=again)).status_code == 304


@pytest.mark.parametrize("wrong", ["language=xx", "kind=evil", "headline=" + "x" * 61, "tone=neon"])
async def test_wishes_that_cannot_be_are_refused(
    client: httpx2.AsyncClient, database: Database, wrong: str
) -> None:
    """An unknown choice or a headline without end draws nothing."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)

    answer = await client.get(
        f"/dashboard/stores/{store.id}/posters/a4.pdf?{wrong}", headers=merchant.headers
    )

    assert answer.status_code == 422


async def test_posters_are_not_for_strangers(client: httpx2.AsyncClient, database: Database) -> None:
    """Nobody and no other merchant gets a page or a file."""
    store = await make_store(database, await make_merchant(database))
    stranger = await make_merchant(database)

    for path in ("posters", "posters/a4.pdf", "posters/code.svg"):
        url = f"/dashboard/stores/{store.id}/{path}"
        assert (await client.get(url)).status_code == 401
        assert (await client.get(url, headers=stranger.headers)).status_code == 404


@pytest.mark.parametrize("side", [(400, 400), (600, 120)])
@pytest.mark.parametrize("color", ["#000000", "#ff0000", "#ffffff"])
def test_a_logo_in_the_middle_leaves_the_code_readable(side: tuple[int, int], color: str) -> None:
    """Square and wide logos, black ones too: the level makes up for what they cover, small and large."""
    out = io.BytesIO()
    Image.new("RGB", side, color).save(out, "PNG")
    text = "https://cards.example.com/join/0199d0c2-aaaa-7bbb-8ccc-1234567890ab"

    for scale in (3, 16):
        picture = Image.open(io.BytesIO(code_png(text, out.getvalue(), scale=scale)))
        (code,) = zxingcpp.read_barcodes(picture)
        assert (code.text, code.ec_level) == (text, "H")
    assert picture.getpixel((0, 0)) == picture.getpixel((16 * 4 - 1, 16 * 4 - 1)) == (255, 255, 255)
    assert code_svg(text, out.getvalue(), title="A & B").count("<image") == 1
