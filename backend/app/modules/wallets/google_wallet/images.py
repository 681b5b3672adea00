"""The pictures of a pass, drawn for Google's servers to fetch: stamps as a hero image, and a logo.

Their addresses carry what is to be drawn and a mac, so that nobody else decides what our server draws; they say
nothing about a person. A drawing is kept by its address: one for each design and count.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from app.modules.wallets.rules import CardColors
from app.utils.security import Keyring, b64, same, unb64

HERO_SIZE = (1032, 336)
LOGO_SIZE = (660, 660)
SMOOTH = 2
STAMPS_DRAWN_MAX = 100
MAC_BYTES = 15
TOKEN_LENGTH_MAX = 400
DRAWINGS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows. kind: stamps, plain or logo; letter: of the logo."""

    kind: str
    background: str
    foreground: str
    accent: str
    count: int = 0
    needed: int = 0
    letter: str = ""


def picture_token(keyring: Keyring, picture: Picture) -> str:
    """Return the part of the address that names the picture and proves that we did."""
    values = [
        picture.kind,
        picture.background,
        picture.foreground,
        picture.accent,
        picture.count,
        picture.needed,
        picture.letter,
    ]
    data = json.dumps(values, separators=(",", ":")).encode()
    return f"{b64(data)}.{b64(keyring.mac('token', 'google-picture', data)[:MAC_BYTES])}"


def read_picture(keyring: Keyring, token: str) -> Picture | None:
    """Return the picture of an address that we made, or None."""
    if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
        return None
    left, _, right = token.partition(".")
    try:
        data, mac = unb64(left), unb64(right)
    except ValueError:
        return None
    versions = keyring.versions("token")
    macs = [keyring.mac("token", "google-picture", data, version=v)[:MAC_BYTES] for v in versions]
    if not any(same(known, mac) for known in macs):
        return None
    kind, background, foreground, accent, count, needed, letter = json.loads(data)
    return Picture(kind, background, foreground, accent, count, needed, letter)


def stamps_picture(colors: CardColors, *, count: int, needed: int) -> Picture:
    """Return the hero image of a stamp card; a card over its number shows itself full."""
    needed = min(needed, STAMPS_DRAWN_MAX)
    shown = max(0, min(count, needed))
    return Picture("stamps", colors.background, colors.foreground, colors.accent, shown, needed)


def plain_picture(colors: CardColors) -> Picture:
    """Return the hero image of a programme: its colours with a pattern."""
    return Picture("plain", colors.background, colors.foreground, colors.accent)


def logo_picture(colors: CardColors, name: str) -> Picture:
    """Return the logo of a shop that has none: its first letter in its colours."""
    letter = next((symbol for symbol in name.upper() if symbol.isalnum() and symbol.isascii()), "")
    return Picture("logo", colors.background, colors.foreground, colors.accent, letter=letter)


@lru_cache(maxsize=DRAWINGS_KEPT)
def draw_picture(picture: Picture) -> bytes:
    """Return the PNG in a palette of few colours; some milliseconds of drawing, then kept."""
    size = LOGO_SIZE if picture.kind == "logo" else HERO_SIZE
    image = Image.new("RGB", (size[0] * SMOOTH, size[1] * SMOOTH), picture.background)
    draw = ImageDraw.Draw(image)
    if picture.kind == "stamps":
        _draw_stamps(draw, picture)
    elif picture.kind == "logo":
        _draw_logo(draw, picture)
    else:
        _draw_pattern(draw, picture)
    small = image.resize(size, Image.Resampling.BOX).quantize(64, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def grid_of(needed: int) -> tuple[int, int]:
    """Return columns and rows that fill a wide picture with places as large as possible."""
    width, height = HERO_SIZE
    best = max(range(1, needed + 1), key=lambda c: min(width / c, height / math.ceil(needed / c)))
    rows = math.ceil(needed / best)
    return math.ceil(needed / rows), rows


def _draw_stamps(draw: ImageDraw.ImageDraw, picture: Picture) -> None:
    width, height = HERO_SIZE[0] * SMOOTH, HERO_SIZE[1] * SMOOTH
    margin = 24 * SMOOTH
    columns, rows = grid_of(picture.needed)
    cell = min((width - 2 * margin) / columns, (height - 2 * margin) / rows)
    left, top = (width - cell * columns) / 2, (height - cell * rows) / 2
    faint = _mix(picture.background, picture.foreground, 0.35)
    for place in range(picture.needed):
        x = left + cell * (place % columns + 0.5)
        y = top + cell * (place // columns + 0.5)
        radius = cell * 0.4
        box = (x - radius, y - radius, x + radius, y + radius)
        line = max(2, round(radius * 0.1))
        if place < picture.count:
            draw.ellipse(box, fill=picture.accent)
            check = [(x - radius * 0.45, y), (x - radius * 0.1, y + radius * 0.35)]
            check.append((x + radius * 0.5, y - radius * 0.35))
            draw.line(check, fill=picture.background, width=max(3, round(radius * 0.18)), joint="curve")
        else:
            draw.ellipse(box, outline=faint, width=line)
        if place == picture.needed - 1 and place >= picture.count:
            inner = radius * 0.55
            draw.ellipse((x - inner, y - inner, x + inner, y + inner), fill=faint)


def _draw_logo(draw: ImageDraw.ImageDraw, picture: Picture) -> None:
    side = LOGO_SIZE[0] * SMOOTH
    if not picture.letter:
        draw.ellipse((side * 0.3, side * 0.3, side * 0.7, side * 0.7), fill=picture.accent)
        return
    font = ImageFont.load_default(size=side * 0.5)
    middle = (side / 2, side / 2)
    draw.text(middle, picture.letter, fill=picture.foreground, font=font, anchor="mm")


def _draw_pattern(draw: ImageDraw.ImageDraw, picture: Picture) -> None:
    width, height = HERO_SIZE[0] * SMOOTH, HERO_SIZE[1] * SMOOTH
    soft = _mix(picture.background, picture.accent, 0.3)
    for step in range(4):
        radius = height * (0.35 + 0.3 * step)
        box = (width - radius, height - radius, width + radius, height + radius)
        draw.ellipse(box, outline=soft, width=8 * SMOOTH)
    draw.rectangle((0, height - 14 * SMOOTH, width, height), fill=picture.accent)


def _mix(one: str, other: str, share: float) -> str:
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
