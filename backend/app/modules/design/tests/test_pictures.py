"""What becomes of an uploaded picture: a phone's photo, a logo with air around it, a shape."""

from __future__ import annotations

import io

import httpx2
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.modules.design.cards.pictures import draw_logo, draw_mask
from app.modules.design.models import DesignPicture
from app.modules.design.rules import Crop
from app.modules.design.tests.test_designer import send
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store


def drawn_on(ground: str | None, *, mode: str = "RGB") -> bytes:
    """Return a PNG of 400 by 400: a red bar of 100 by 40 in the middle of a ground."""
    image = Image.new(mode, (400, 400), ground or (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((150, 180, 249, 219), fill="#cc0000")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("png", "size"),
    [
        (drawn_on("#fefefe"), (108, 48)),
        (drawn_on(None, mode="RGBA"), (108, 48)),
        (drawn_on("#0b5c46"), (400, 400)),
        (drawn_on("#ffffff", mode="RGBA"), (108, 48)),
    ],
    ids=["white", "see-through", "tile", "white-with-alpha"],
)
def test_a_logo_nobody_cut_loses_its_air(png: bytes, size: tuple[int, int]) -> None:
    """White and see-through margins go, a coloured tile stays; a crop of one's own is kept as it is."""
    assert draw_logo(png, Crop())[1] == size
    assert draw_logo(png, Crop(10, 10, 50, 50))[1] == (200, 200)


def test_a_shape_nobody_cut_is_as_large_as_those_of_the_set() -> None:
    """A small shape in a large picture fills the mask to a twelfth from each edge; a cut one keeps its air."""
    whole, cut = (
        Image.open(io.BytesIO(draw_mask(drawn_on("#ffffff"), crop)[0])).getchannel("A")
        for crop in (Crop(), Crop(25, 25, 50, 50))
    )

    assert whole.getbbox() == (16, 64, 176, 128)
    # The soft edge of the smaller picture aside.
    assert cut.point([0] * 128 + [255] * 128).getbbox() == (48, 77, 144, 115)


async def test_a_phones_photo_becomes_the_ground(client: httpx2.AsyncClient, database: Database) -> None:
    """A JPEG of twelve megabytes arrives and is small afterwards; a byte more than the request may have is refused."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design/pictures/photo"
    out = io.BytesIO()
    Image.new("RGB", (4032, 3024), "#884422").save(out, "JPEG")
    taken = out.getvalue() + bytes(12_000_000 - len(out.getvalue()))

    kept = await send(client, merchant, url, data={}, files={"photo_file": ("p.jpg", taken, "image/jpeg")})
    refused = await send(
        client, merchant, url, data={}, files={"photo_file": ("p.jpg", taken + bytes(200_000), "image/jpeg")}
    )

    assert (kept.status_code, refused.status_code) == (303, 413)
    async with tenant_scope(database, merchant.id) as session:
        rows = (await session.execute(select(DesignPicture.width, DesignPicture.height))).all()
    assert [tuple(row) for row in rows] == [(900, 675)]
