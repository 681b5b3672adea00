"""Makes a pass's pictures: strip with the stamps, logo and icon, at 1x, 2x and 3x, as small palette PNGs.

A look's stamps are drawn once. Strips are pasted from them, once for a count, and kept: eleven strips for a card of
ten stamps serve everybody.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from app.modules.wallets.apple_wallet.package import Part, make_part
from app.modules.wallets.own_icons import find_mask

FOLDER = Path(__file__).parent / "images"
FALLBACK_ICON = "star"
STRIP = (375, 144)
LOGO_HEIGHT = 50
ICON_SIDE = 29
SCALES = (1, 2, 3)
STAMPS_DRAWN_MAX = 60
COLORS = 48
STRIPS_KEPT, LOOKS_KEPT, TILES_KEPT = 1_024, 256, 48
# A bar for points moves in steps, so that few pictures serve everybody.
BAR_STEPS = 20
_SOFT = 4


class Look(NamedTuple):
    """The colours (#rrggbb) and the icon of a card."""

    background: str
    foreground: str
    accent: str
    icon: str


class StripState(NamedTuple):
    """What the strip shows: filled of needed stamps, or steps of a bar. needed 0: a bar."""

    filled: int
    needed: int


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _mix(one: str, other: str, share: float) -> tuple[int, int, int]:
    mixed = [round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True)]
    return mixed[0], mixed[1], mixed[2]


@lru_cache(maxsize=512)
def _glyph(icon: str, side: int) -> Image.Image:
    own = find_mask(icon)
    if own is not None:
        with Image.open(io.BytesIO(own)) as picture:
            return picture.convert("RGBA").getchannel("A").resize((side, side), Image.Resampling.LANCZOS)
    path = FOLDER / f"{icon}.png"
    with Image.open(path if icon.isascii() and path.is_file() else FOLDER / f"{FALLBACK_ICON}.png") as mask:
        return mask.convert("L").resize((side, side), Image.Resampling.LANCZOS)


@lru_cache(maxsize=64)
def _disc(side: int, ring: int) -> Image.Image:
    """Return a soft-edged disc, or a ring of the given width."""
    large = side * _SOFT
    mask = Image.new("L", (large, large), 0)
    draw = ImageDraw.Draw(mask)
    edge = (0, 0, large - 1, large - 1)
    if ring:
        draw.ellipse(edge, outline=255, width=ring * _SOFT)
    else:
        draw.ellipse(edge, fill=255)
    return mask.resize((side, side), Image.Resampling.LANCZOS)


def _png(image: Image.Image) -> bytes:
    small = image if image.mode == "P" else image.quantize(COLORS)
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()


class _Tiles(NamedTuple):
    """The parts that strips are pasted from, in one palette. stamps: by (is_filled, is_reward)."""

    stamps: dict[tuple[bool, ...], Image.Image]
    background: int
    track: int
    accent: int

    def blank(self, size: tuple[int, int]) -> Image.Image:
        """Return an empty picture in the tiles' palette."""
        image = Image.new("P", size, self.background)
        palette = next(iter(self.stamps.values())).getpalette()
        assert palette is not None
        image.putpalette(palette)
        return image


@lru_cache(maxsize=TILES_KEPT)
def _tiles(look: Look, side: int) -> _Tiles:
    """Draw the four states of a stamp and the plain colours side by side, so that they share a palette."""
    states = list(product((False, True), repeat=2))
    colors = (_rgb(look.background), _mix(look.background, look.foreground, 0.2), _rgb(look.accent))
    sheet = Image.new("RGB", (side * (len(states) + len(colors)), side), colors[0])
    for place, (is_filled, is_reward) in enumerate(states):
        _draw_stamp(sheet, (side * place, 0, side), look, is_filled=is_filled, is_reward=is_reward)
    for place, color in enumerate(colors, len(states)):
        sheet.paste(color, (side * place, 0, side * (place + 1), side))
    small = sheet.quantize(COLORS)
    stamps = {
        state: small.crop((side * place, 0, side * (place + 1), side)) for place, state in enumerate(states)
    }
    middles = range(side * len(states) + side // 2, sheet.width, side)
    background, track, accent = (small.tobytes()[side // 2 * sheet.width + x] for x in middles)
    return _Tiles(stamps, background, track, accent)


def _rows(needed: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns that give the largest stamps in a picture."""
    width, height = size
    best = max(range(1, 6), key=lambda rows: min(height / rows, width / math.ceil(needed / rows)))
    return best, math.ceil(needed / best)


def _paste_stamps(look: Look, state: StripState, scale: int) -> Image.Image:
    return stamps_image(look, state, size=(STRIP[0] * scale, STRIP[1] * scale), margin=12 * scale)


def stamps_image(look: Look, state: StripState, *, size: tuple[int, int], margin: int) -> Image.Image:
    """Return the stamps in a picture of any size, for every wallet. margin: above and below together, twice beside."""
    width, height = size
    needed = min(state.needed, STAMPS_DRAWN_MAX)
    rows, columns = _rows(needed, size)
    cell = min((height - margin) / rows, (width - 2 * margin) / columns)
    side = int(cell * 0.84)
    tiles = _tiles(look, side)
    image = tiles.blank((width, height))
    left, top = (width - cell * columns) / 2, (height - cell * rows) / 2
    for number in range(needed):
        row, column = divmod(number, columns)
        x = int(left + cell * column + (cell - side) / 2)
        y = int(top + cell * row + (cell - side) / 2)
        image.paste(tiles.stamps[number < state.filled, number == needed - 1], (x, y))
    return image


def _draw_stamp(
    image: Image.Image, place: tuple[int, int, int], look: Look, *, is_filled: bool, is_reward: bool
) -> None:
    x, y, side = place
    icon = _glyph("gift" if is_reward else look.icon, max(4, int(side * 0.6)))
    at = (x + (side - icon.width) // 2, y + (side - icon.height) // 2)
    if is_filled:
        image.paste(_rgb(look.accent), (x, y), _disc(side, 0))
        image.paste(_rgb(look.background), at, icon)
        return
    quiet = _rgb(look.accent) if is_reward else _mix(look.background, look.foreground, 0.45)
    image.paste(_mix(look.background, look.foreground, 0.08), (x, y), _disc(side, 0))
    image.paste(quiet, (x, y), _disc(side, max(1, side // 24)))
    image.paste(quiet, at, icon)


def _paste_bar(look: Look, state: StripState, scale: int) -> Image.Image:
    return bar_image(look, state, size=(STRIP[0] * scale, STRIP[1] * scale), scale=scale)


def bar_image(look: Look, state: StripState, *, size: tuple[int, int], scale: int) -> Image.Image:
    """Return a bar towards the next reward in a picture of any size. scale: pixels of a point."""
    width, height = size
    side = 44 * scale
    tiles = _tiles(look, side)
    image = tiles.blank((width, height))
    draw = ImageDraw.Draw(image)
    left, right, thick = 20 * scale, width - 72 * scale, 16 * scale
    top = (height - thick) // 2
    radius = thick // 2
    draw.rounded_rectangle((left, top, right, top + thick), radius, fill=tiles.track)
    share = min(state.filled, BAR_STEPS) / BAR_STEPS
    if share:
        end = left + max(thick, round((right - left) * share))
        draw.rounded_rectangle((left, top, end, top + thick), radius, fill=tiles.accent)
    image.paste(tiles.stamps[state.filled >= BAR_STEPS, True], (width - 60 * scale, (height - side) // 2))
    return image


def _name(stem: str, scale: int) -> str:
    return f"{stem}.png" if scale == 1 else f"{stem}@{scale}x.png"


def icon_image(look: Look, side: int, *, share: float) -> Image.Image:
    """Return the card's icon on its background. share: how much of the side the icon takes."""
    image = Image.new("RGB", (side, side), _rgb(look.background))
    glyph = _glyph(look.icon, int(side * share))
    at = (side - glyph.width) // 2
    image.paste(_rgb(look.accent), (at, at), glyph)
    return image


@lru_cache(maxsize=STRIPS_KEPT)
def strip_parts(look: Look, state: StripState) -> tuple[Part, ...]:
    """Return the strip in three sizes."""
    paste = _paste_stamps if state.needed else _paste_bar
    return tuple(make_part(_name("strip", scale), _png(paste(look, state, scale))) for scale in SCALES)


@lru_cache(maxsize=LOOKS_KEPT)
def look_parts(look: Look) -> tuple[Part, ...]:
    """Return logo and icon in three sizes. The icon is what the lock screen shows; without it no pass opens."""
    parts: list[Part] = []
    for scale in SCALES:
        side = LOGO_HEIGHT * scale
        logo = Image.new("RGBA", (side, side), (*_rgb(look.accent), 0))
        logo.paste((*_rgb(look.accent), 255), (0, 0), _glyph(look.icon, side))
        parts.append(make_part(_name("logo", scale), _png(logo)))
        icon = icon_image(look, ICON_SIDE * scale, share=0.7)
        parts.append(make_part(_name("icon", scale), _png(icon)))
    return tuple(parts)
