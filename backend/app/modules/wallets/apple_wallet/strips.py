"""Makes strips: the stamps of a card, or its bar, in any size, for every wallet and each count.

A look is drawn twice in one palette: with every place empty and with every place filled. What a card shows is the one
pasted over the other. For Apple, the rows of stamps are packed as well, each with every number of stamps on it: a
strip of any count is these put one after the other, and kept.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple

from PIL import Image, ImageDraw

from app.modules.wallets.apple_wallet.grounds import PATTERNS, draw_ground, mix, rgb
from app.modules.wallets.apple_wallet.package import Part, make_part
from app.modules.wallets.apple_wallet.palette_png import FEW_COLORS, Band, pack_band, write_png
from app.modules.wallets.apple_wallet.pictures import SCALES, Look, draw_stamp, picture_name

STRIP = (375, 144)
STAMPS_DRAWN_MAX = 60
ROWS_MAX = 5
# A bar for points moves in steps, so that few pictures serve everybody.
BAR_STEPS = 20
PATTERN_COLORS, PHOTO_COLORS = 48, 128
STAMP_SHARE = 0.84
STRIPS_KEPT, PAIRS_KEPT, PACKED_KEPT = 256, 12, 32


class StripState(NamedTuple):
    """What the strip shows: filled of needed stamps, or steps of a bar. needed 0: a bar."""

    filled: int
    needed: int


class Frame(NamedTuple):
    """Where the picture is drawn. margin: above and below together, twice beside; scale: pixels of a point."""

    width: int
    height: int
    margin: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height."""
        return self.width, self.height


class _Grid(NamedTuple):
    """Where the stamps are."""

    rows: int
    columns: int
    cell: float
    left: float
    top: float

    def edge(self, column: int) -> int:
        """Return where a column begins."""
        return int(self.left + self.cell * column)

    def line(self, row: int) -> int:
        """Return where a row begins."""
        return int(self.top + self.cell * row)


class _Pair(NamedTuple):
    """A look with nothing filled and with all filled, in one palette."""

    empty: Image.Image
    full: Image.Image
    colors: int


class _Packed(NamedTuple):
    """A strip's rows, packed: for each row one band for every number of steps on it."""

    rows: tuple[tuple[Band, ...], ...]
    palette: bytes
    size: tuple[int, int]


def _grid(needed: int, frame: Frame) -> _Grid:
    """Return the rows and columns that give the largest stamps."""
    width, height = frame.size
    rows = max(range(1, ROWS_MAX + 1), key=lambda rows: min(height / rows, width / math.ceil(needed / rows)))
    columns = math.ceil(needed / rows)
    cell = min((height - frame.margin) / rows, (width - 2 * frame.margin) / columns)
    return _Grid(rows, columns, cell, (width - cell * columns) / 2, (height - cell * rows) / 2)


@lru_cache(maxsize=PAIRS_KEPT)
def _pair(look: Look, needed: int, frame: Frame) -> _Pair:
    draw = _draw_stamps if needed else _draw_bar
    if not look.ground:
        return _plain_pair(look, needed, frame)
    ground = draw_ground(
        look.ground, frame.size, background=look.background, foreground=look.foreground, scale=frame.scale
    )
    # One above the other, so that they share a palette.
    both = Image.new("RGB", (frame.width, 2 * frame.height))
    for place, is_filled in enumerate((False, True)):
        image = ground.copy()
        draw(image, look, needed, frame, is_filled=is_filled)
        both.paste(image, (0, place * frame.height))
    colors = PATTERN_COLORS if look.ground in PATTERNS else PHOTO_COLORS
    small = both.quantize(colors, dither=Image.Dither.NONE)
    halves = [small.crop((0, y, frame.width, y + frame.height)) for y in (0, frame.height)]
    return _Pair(halves[0], halves[1], colors)


def _plain_pair(look: Look, needed: int, frame: Frame) -> _Pair:
    """Draw one stamp of each kind and paste the others: on a plain ground they are all the same."""
    side = int(_grid(needed, frame).cell * STAMP_SHARE) if needed else _gift_side(frame)
    states = list(product((False, True), repeat=2))
    colors = (rgb(look.background), mix(look.background, look.foreground, 0.2), rgb(look.accent))
    sheet = Image.new("RGB", (side * (len(states) + len(colors)), side), colors[0])
    for place, (is_filled, is_reward) in enumerate(states):
        draw_stamp(sheet, (side * place, 0, side), look, is_filled=is_filled, is_reward=is_reward)
    for number, color in enumerate(colors, len(states)):
        sheet.paste(color, (side * number, 0, side * (number + 1), side))
    small = sheet.quantize(FEW_COLORS)
    middles = range(side * len(states) + side // 2, sheet.width, side)
    inks = [small.tobytes()[side // 2 * sheet.width + x] for x in middles]
    tiles = {
        state: small.crop((side * place, 0, side * (place + 1), side)) for place, state in enumerate(states)
    }
    halves = []
    for is_filled in (False, True):
        image = Image.new("P", frame.size, inks[0])
        image.putpalette(small.getpalette() or [])
        if needed:
            for number, (x, y, _side) in enumerate(_places(needed, frame)):
                image.paste(tiles[is_filled, number == needed - 1], (x, y))
        else:
            ImageDraw.Draw(image).rounded_rectangle(*_bar(frame), fill=inks[2 if is_filled else 1])
            image.paste(tiles[is_filled, True], _gift(frame)[:2])
        halves.append(image)
    return _Pair(halves[0], halves[1], FEW_COLORS)


def _places(needed: int, frame: Frame) -> list[tuple[int, int, int]]:
    """Return left, top and side of every stamp."""
    grid = _grid(needed, frame)
    side = int(grid.cell * STAMP_SHARE)
    return [
        (
            int(grid.left + grid.cell * (number % grid.columns) + (grid.cell - side) / 2),
            int(grid.top + grid.cell * (number // grid.columns) + (grid.cell - side) / 2),
            side,
        )
        for number in range(needed)
    ]


def _draw_stamps(image: Image.Image, look: Look, needed: int, frame: Frame, *, is_filled: bool) -> None:
    for number, place in enumerate(_places(needed, frame)):
        draw_stamp(image, place, look, is_filled=is_filled, is_reward=number == needed - 1)


def _bar(frame: Frame, share: float = 1.0) -> tuple[tuple[int, int, int, int], int]:
    """Return the bar's box and the radius of its ends."""
    scale = round(frame.scale)
    left, right, thick = 20 * scale, frame.width - 72 * scale, 16 * scale
    top = (frame.height - thick) // 2
    end = right if share >= 1 else left + max(thick, round((right - left) * share))
    return (left, top, end, top + thick), thick // 2


def _gift_side(frame: Frame) -> int:
    return 44 * round(frame.scale)


def _gift(frame: Frame) -> tuple[int, int, int]:
    side = _gift_side(frame)
    return frame.width - 60 * round(frame.scale), (frame.height - side) // 2, side


def _draw_bar(image: Image.Image, look: Look, needed: int, frame: Frame, *, is_filled: bool) -> None:
    assert not needed, "a bar has no stamps"
    ink = rgb(look.accent) if is_filled else mix(look.background, look.foreground, 0.2)
    ImageDraw.Draw(image).rounded_rectangle(*_bar(frame), fill=ink)
    draw_stamp(image, _gift(frame), look, is_filled=is_filled, is_reward=True)


def state_image(look: Look, state: StripState, frame: Frame) -> Image.Image:
    """Return the stamps or the bar of a card, in palette mode."""
    needed = min(state.needed, STAMPS_DRAWN_MAX)
    pair = _pair(look, needed, frame)
    if not needed:
        return _bar_image(pair, state.filled, frame)
    image = pair.empty.copy()
    grid = _grid(needed, frame)
    for row in range(grid.rows):
        box = (0, grid.line(row), grid.edge(_on_row(state.filled, row, grid.columns)), grid.line(row + 1))
        if box[2] > grid.edge(0):
            image.paste(pair.full.crop(box), box[:2])
    return image


def _on_row(filled: int, row: int, columns: int) -> int:
    return max(0, min(columns, filled - row * columns))


def _bar_image(pair: _Pair, steps: int, frame: Frame) -> Image.Image:
    if steps >= BAR_STEPS:
        return pair.full.copy()
    image = pair.empty.copy()
    if steps:
        mask = Image.new("1", frame.size)
        ImageDraw.Draw(mask).rounded_rectangle(*_bar(frame, steps / BAR_STEPS), fill=1)
        image.paste(pair.full, (0, 0), mask)
    return image


@lru_cache(maxsize=PACKED_KEPT)
def _packed(look: Look, needed: int, scale: int) -> _Packed:
    """Pack every row with every number of stamps on it; of a bar, the rows above and below are always the same."""
    frame = _strip_frame(scale)
    pair = _pair(look, needed, frame)
    if needed:
        rows, columns = _grid(needed, frame)[:2]
        lines = [0, *(_grid(needed, frame).line(row) for row in range(1, rows)), frame.height]
        # The row with so many stamps on it looks the same whatever the other rows show.
        counts = [range(row * columns, min(needed, (row + 1) * columns) + 1) for row in range(rows)]
    else:
        _left, top, side = _gift(frame)
        lines, counts = [0, top, top + side, frame.height], [range(1), range(BAR_STEPS + 1), range(1)]
    bands = [
        tuple(
            pack_band(state_image(look, StripState(count, needed), frame), *between, colors=pair.colors)
            for count in on_row
        )
        for between, on_row in zip(pairwise(lines), counts, strict=True)
    ]
    palette = bytes(pair.empty.getpalette() or [])[: 3 * pair.colors]
    return _Packed(tuple(bands), palette, frame.size)


def _strip_frame(scale: int) -> Frame:
    return Frame(STRIP[0] * scale, STRIP[1] * scale, 12 * scale, scale)


def _strip(look: Look, state: StripState, scale: int) -> bytes:
    needed = min(state.needed, STAMPS_DRAWN_MAX)
    packed = _packed(look, needed, scale)
    columns = len(packed.rows[0]) - 1
    # Only the middle of a bar has steps.
    shown = [
        _on_row(state.filled, row, columns) if needed else state.filled for row in range(len(packed.rows))
    ]
    bands = [row[min(len(row) - 1, count)] for row, count in zip(packed.rows, shown, strict=True)]
    return write_png(packed.size, packed.palette, bands)


@lru_cache(maxsize=STRIPS_KEPT)
def strip_parts(look: Look, state: StripState) -> tuple[Part, ...]:
    """Return the strip in three sizes."""
    return tuple(make_part(picture_name("strip", scale), _strip(look, state, scale)) for scale in SCALES)
