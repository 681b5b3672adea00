"""What stamps stand on: a plain colour, a quiet pattern, or the merchant's photo, shaded until all is readable."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from app.modules.wallets.own_icons import find_photo

PATTERN_SHARE = 0.08
# Text on the photo keeps the ratio that WCAG 2.2 asks for, at its brightest and darkest spots but for a few.
TEXT_RATIO_MIN = 4.5
SPOTS = (48, 32)
SPOTS_LEFT_OUT = 0.02
SHADES = tuple(step / 20 for step in range(8, 20))
_SMOOTH = 2
# How far apart a pattern's marks are, in points.
_STEP = 15


def rgb(color: str) -> tuple[int, int, int]:
    """Return a #rrggbb colour's channels."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def mix(one: str, other: str, share: float) -> tuple[int, int, int]:
    """Return a colour between two."""
    mixed = [round(a + (b - a) * share) for a, b in zip(rgb(one), rgb(other), strict=True)]
    return mixed[0], mixed[1], mixed[2]


def draw_ground(
    ground: str, size: tuple[int, int], *, background: str, foreground: str, scale: float
) -> Image.Image:
    """Return the ground in a picture of any size. ground: "", a pattern or a photo; scale: pixels of a point."""
    if ground in PATTERNS:
        return _pattern(ground, size, background, mix(background, foreground, PATTERN_SHARE), scale=scale)
    photo = find_photo(ground) if ground else None
    if photo is None:
        return Image.new("RGB", size, rgb(background))
    return _shaded(photo, size, background, foreground)


def _pattern(
    name: str, size: tuple[int, int], background: str, ink: tuple[int, int, int], *, scale: float
) -> Image.Image:
    width, height = size[0] * _SMOOTH, size[1] * _SMOOTH
    image = Image.new("RGB", (width, height), rgb(background))
    draw = ImageDraw.Draw(image)
    step = max(4, round(_STEP * scale * _SMOOTH))
    line = max(1, round(1.4 * scale * _SMOOTH))
    _MARKS[name](draw, _Marks(width, height, step, line, ink))
    return image.resize(size, Image.Resampling.BOX)


class _Marks(NamedTuple):
    """What a pattern is drawn with. step: how far its marks are apart; line: how thick."""

    width: int
    height: int
    step: int
    line: int
    ink: tuple[int, int, int]


def _dots(draw: ImageDraw.ImageDraw, marks: _Marks) -> None:
    step = marks.step
    for row, y in enumerate(range(step // 2, marks.height + step, step)):
        for x in range(step // 2 if row % 2 else 0, marks.width + step, step):
            draw.circle((x, y), step * 0.15, fill=marks.ink)


def _stripes(draw: ImageDraw.ImageDraw, marks: _Marks) -> None:
    for x in range(-marks.height, marks.width, marks.step):
        draw.line((x, marks.height, x + marks.height, 0), fill=marks.ink, width=marks.line * 2)


def _waves(draw: ImageDraw.ImageDraw, marks: _Marks) -> None:
    step = marks.step
    for y in range(0, marks.height + step, step):
        line = [(x, y + step * 0.3 * math.sin(x * math.pi / step)) for x in range(0, marks.width + 4, 4)]
        draw.line(line, fill=marks.ink, width=marks.line)


def _rings(draw: ImageDraw.ImageDraw, marks: _Marks) -> None:
    for number in range(1, 2 + marks.width // marks.step):
        middle = (marks.width, marks.height)
        draw.circle(middle, number * marks.step, outline=marks.ink, width=marks.line)


def _checks(draw: ImageDraw.ImageDraw, marks: _Marks) -> None:
    step = marks.step
    for row, y in enumerate(range(0, marks.height, step)):
        for x in range(step * (row % 2), marks.width, 2 * step):
            draw.rectangle((x, y, x + step - 1, y + step - 1), fill=marks.ink)


_MARKS = {"dots": _dots, "stripes": _stripes, "waves": _waves, "rings": _rings, "checks": _checks}
PATTERNS = tuple(_MARKS)


def _shaded(photo: bytes, size: tuple[int, int], background: str, foreground: str) -> Image.Image:
    with Image.open(io.BytesIO(photo)) as opened:
        picture = opened.convert("RGB")
    fitted = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    share = shade_of(photo, background, foreground)
    shaded = Image.blend(fitted, Image.new("RGB", size, rgb(background)), share)
    # A breath of blur takes the grain away, which costs bytes and quarrels with what stands on it.
    return shaded.filter(ImageFilter.GaussianBlur(max(1.0, size[0] / 700)))


@lru_cache(maxsize=64)
def shade_of(photo: bytes, background: str, foreground: str) -> float:
    """Return how much of the card's own colour lies over a photo: as little as leaves the text readable."""
    with Image.open(io.BytesIO(photo)) as opened:
        small = opened.convert("RGB").resize(SPOTS, Image.Resampling.BOX)
    plain, ink = Image.new("RGB", SPOTS, rgb(background)), _luminance(rgb(foreground))
    for share in SHADES:
        blended = Image.blend(small, plain, share).tobytes()
        spots = sorted(
            _ratio(ink, _luminance((blended[at], blended[at + 1], blended[at + 2])))
            for at in range(0, len(blended), 3)
        )
        if spots[int(len(spots) * SPOTS_LEFT_OUT)] >= TEXT_RATIO_MIN:
            return share
    return SHADES[-1]


def _luminance(color: tuple[int, int, int]) -> float:
    """Return the relative luminance (WCAG 2.2, definition)."""
    red, green, blue = (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _ratio(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)
