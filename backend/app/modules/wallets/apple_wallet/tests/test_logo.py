"""The merchant's logo on a pass, from whoever keeps it; and what stands in where there is none."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.points import LOGO
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.demo import ROOT_FILE

from .checking import open_pass

URL = "/logos/one.png"
RED, GREEN = (200, 20, 30), (20, 160, 60)


def picture(width: int, height: int, color=RED) -> bytes:
    """Return a PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), color).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
async def card(database):
    """Return a card of a merchant whose branding names a logo."""
    merchant = await make_merchant(database)
    card = await make_card(database, await make_store(database, merchant))
    async with tenant_scope(database, merchant.id) as session:
        branding = (
            """UPDATE merchant SET branding = branding || '{"logo_url": "/logos/one.png"}' WHERE id = :id"""
        )
        await session.execute(text(branding), {"id": merchant.id})
    return card


def keep(monkeypatch: pytest.MonkeyPatch, data: bytes | None) -> list[str]:
    """Let a module offer these bytes; returns the addresses it is asked for."""
    asked: list[str] = []

    async def find(_session, _merchant_id, url: str) -> bytes | None:
        asked.append(url)
        return data

    monkeypatch.setattr(LOGO, "_offers", {"test": find})
    return asked


async def images(client, settings, card, folder) -> dict[str, Image.Image]:
    """Return the pictures of the card's pass, which passes every check."""
    answer = await client.get(f"/passes/apple/{card.id}?t={card.token}")
    open_pass(answer.content, (settings.data_dir / ROOT_FILE).read_bytes(), folder)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        return {name: Image.open(io.BytesIO(archive.read(name))).convert("RGBA") for name in names}


async def test_the_logo_is_on_the_pass(client, settings, card, tmp_path, monkeypatch):
    """Fitted into Apple's slot at each scale; nearly square, it is the icon, too."""
    asked = keep(monkeypatch, picture(300, 200))

    found = await images(client, settings, card, tmp_path)

    assert asked == [URL]
    assert [found[f"logo{at}.png"].size for at in ("", "@2x", "@3x")] == [(75, 50), (150, 100), (225, 150)]
    assert near(found["logo@2x.png"].getpixel((70, 50)), RED)
    assert near(found["icon@3x.png"].getpixel((43, 43)), RED)


async def test_a_wide_logo_leaves_the_icon(client, settings, card, tmp_path, monkeypatch):
    """Eight times as wide as high: the whole width of the slot, and the card's own icon."""
    keep(monkeypatch, picture(800, 100, GREEN))

    found = await images(client, settings, card, tmp_path)

    assert found["logo@3x.png"].size == (480, 60)
    assert near(found["logo.png"].getpixel((80, 10)), GREEN)
    assert not near(found["icon@3x.png"].getpixel((43, 43)), GREEN)


@pytest.mark.parametrize("data", [None, b"", b"no picture", picture(300, 200)[:60]])
async def test_without_a_readable_logo_the_icon_stands_in(
    client, settings, card, tmp_path, monkeypatch, data
):
    """Nobody keeps it, or it is broken: the pass opens with the drawn logo."""
    keep(monkeypatch, data)

    found = await images(client, settings, card, tmp_path)

    assert found["logo@2x.png"].size == (100, 100)
    assert found["icon.png"].size == (29, 29)


def near(one, other) -> bool:
    """Tell whether two colours are the same but for the palette's rounding."""
    return all(abs(a - b) <= 6 for a, b in zip(one[:3], other, strict=True))
