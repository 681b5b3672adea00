"""Codes that are drawn are read back by another reader, and pass a strict policy."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from app.modules.qr.public import qr_png, qr_svg

TEXTS = [
    "https://cards.example.com/join/0190a5e0-0000-7000-8000-000000000001",
    "7K3QF0M2XW9P",
    "https://cards.example.com/stamp/0190a5e0-0000-7000-8000-000000000001?t=Ümläut",
    "x",
]


def rasterise(svg: str, *, scale: int = 6) -> Image.Image:
    """Paint our own SVG: rectangles given as M x y h w v1 h-w z."""
    side = int(re.search(r'viewBox="0 0 (\d+) ', svg).group(1))  # type: ignore[union-attr]
    picture = Image.new("L", (side, side), 255)
    black = re.search(r'fill="#000" d="([^"]+)"', svg).group(1)  # type: ignore[union-attr]
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1", black):
        picture.paste(0, (int(x), int(y), int(x) + int(width), int(y) + 1))
    return picture.resize((side * scale, side * scale), Image.Resampling.NEAREST)


def read(picture: Image.Image) -> Any:
    """Return what zxing reads."""
    (found,) = zxingcpp.read_barcodes(picture)
    return found.text


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("error", ["l", "m", "q", "h"])
def test_the_svg_is_read_back(text: str, error: Any) -> None:
    """Another reader finds the very text."""
    assert read(rasterise(qr_svg(text, error=error))) == text


@pytest.mark.parametrize("text", TEXTS)
def test_the_png_is_read_back(text: str) -> None:
    """Another reader finds the very text."""
    assert read(Image.open(io.BytesIO(qr_png(text, scale=6)))) == text


def test_the_svg_needs_no_style_and_is_announced() -> None:
    """No style attribute, a role and an escaped title; the ground is white of its own."""
    svg = qr_svg("x", title='Join <b> "now"')

    assert "style" not in svg
    assert 'role="img"' in svg
    assert "<title>Join &lt;b&gt; &quot;now&quot;</title>" in svg
    assert 'fill="#fff"' in svg


def test_the_quiet_zone_is_as_wide_as_asked() -> None:
    """Four modules of white by default; the symbol of a single letter has 21."""
    assert 'viewBox="0 0 29 29"' in qr_svg("x")
    assert 'viewBox="0 0 23 23"' in qr_svg("x", quiet=1)
    assert Image.open(io.BytesIO(qr_png("x", scale=2, quiet=4))).size == (58, 58)
