"""Lays a poster out: a headline, what there is to win, the code, how it works. Pure but for measuring letters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont

from app.kernel.web.static import STATIC_FOLDER
from app.modules.design.posters.shapes import Box, Code, Disc, Face, Picture, Shape, Sheet, Words

FONTS = STATIC_FOLDER / "vendor" / "inter-0.4.2"
MEDIUM, BOLD = FONTS / "Inter_500Medium.ttf", FONTS / "Inter_800ExtraBold.ttf"
MEASURED_AT = 1_000
LINE = 1.18
SMALLEST = 0.45
# How much smaller a headline may become for the code to keep at least half of the width.
HEADLINE_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6)
CODE_SHARE_MIN = 0.52
# Width and height of a face in millimetres.
SIZES = {"a4": (210, 297), "a5": (148, 210), "tent": (105, 148), "square": (100, 100), "round": (100, 100)}
FORMATS = tuple(SIZES)
STICKERS = frozenset({"square", "round"})


@dataclass(frozen=True, slots=True)
class PosterText:
    """What stands on a poster. steps: short lines below the code; shop: the name at the foot."""

    headline: str
    offer: str
    steps: tuple[str, ...]
    shop: str


@dataclass(frozen=True, slots=True)
class PosterLook:
    """The poster's colours (#rrggbb) and the logo, if it is wanted."""

    background: str
    foreground: str
    accent: str
    logo: bytes = b""


@lru_cache(maxsize=2)
def _font(bold: bool) -> ImageFont.FreeTypeFont:  # noqa: FBT001 (a cache key)
    return ImageFont.truetype(BOLD if bold else MEDIUM, MEASURED_AT)


def text_width(text: str, size: float, *, bold: bool) -> float:
    """Return how wide a line of an em's size is, in the size's unit."""
    return _font(bold).getlength(text) * size / MEASURED_AT


def wrap(text: str, size: float, *, width: float, bold: bool) -> list[str]:
    """Break a text into lines that fit; a word too long for a line stands alone."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fit(
    text: str, size: float, *, width: float, bold: bool = False, lines_max: int = 1
) -> tuple[float, list[str]]:
    """Return the text in lines and the largest size, up to the one wished, at which they fit."""
    wished = size
    while True:
        lines = wrap(text, size, width=width, bold=bold)
        fits = len(lines) <= lines_max and all(text_width(line, size, bold=bold) <= width for line in lines)
        if fits or size < wished * SMALLEST:
            return size, _balanced(text, size, lines=lines[:lines_max], bold=bold)
        size *= 0.94


def _balanced(text: str, size: float, *, lines: list[str], bold: bool) -> list[str]:
    """Return as many lines of nearly the same width: no single word is left for the last one."""
    if len(lines) < 2:
        return lines
    best = lines
    width = max(text_width(line, size, bold=bold) for line in lines)
    while len(narrower := wrap(text, size, width=width, bold=bold)) == len(lines):
        best = narrower
        width *= 0.96
    return best


class _Column:
    """A column of centred shapes, from the top."""

    def __init__(self, x: float, y: float, width: float) -> None:
        self.x, self.y, self.width = x, y, width
        self.shapes: list[Shape] = []

    def words(self, text: str, size: float, color: str, *, bold: bool = False, lines_max: int = 1) -> None:
        """Add a text."""
        if not text:
            return
        size, lines = fit(text, size, width=self.width, bold=bold, lines_max=lines_max)
        for line in lines:
            self.y += size * LINE
            self.shapes.append(Words(self.x, self.y - size * 0.22, size, line, color, bold))

    def gap(self, height: float) -> None:
        """Leave room."""
        self.y += height

    def logo(self, png: bytes, height: float) -> None:
        """Add the logo on a white plate, so that it can be seen on any ground."""
        width = height * 2.6
        self.shapes.append(Box(self.x - width / 2, self.y, width, height, "#ffffff", height * 0.2))
        pad = height * 0.14
        left, inner = self.x - width / 2 + pad, width - 2 * pad
        self.shapes.append(Picture(left, self.y + pad, inner, height - 2 * pad, png))
        self.y += height


def make_sheet(name: str, url: str, *, text: PosterText, look: PosterLook) -> Sheet:
    """Return the sheet of a format: a4, a5, tent (two faces of A6 with a fold), square or round."""
    width, height = SIZES[name]
    draw = _sticker if name in STICKERS else _poster
    face = draw(width, height, url, text=text, look=look, is_round=name == "round")
    return Sheet(face, is_folded=name == "tent", is_round=name == "round")


def _poster(
    width: float, height: float, url: str, *, text: PosterText, look: PosterLook, is_round: bool
) -> Face:
    assert not is_round, "only stickers are round"
    unit = width / 100
    foot = height - (8 + 6.4 * len(text.steps)) * unit - 8 * unit
    # The code is what is looked for: words give way to it.
    for share in HEADLINE_SHARES:
        column = _head(width, text, look, share)
        side = min(62 * unit, foot - column.y - 5 * unit)
        if side >= CODE_SHARE_MIN * width:
            break
    top = column.y + (foot - column.y - side) / 2 + 1 * unit
    code = Code((width - side) / 2, top, side, url)
    below = _Column(width / 2, foot, width * 0.84)
    # The steps are read as one: the longest decides how large all are.
    size = min((fit(step, 4.9 * unit, width=below.width)[0] for step in text.steps), default=4.9 * unit)
    for step in text.steps:
        below.words(step, size, look.foreground)
        below.gap(0.5 * unit)
    name = _shop_name(width, height, text.shop, look)
    shapes = (*_ornament(width, height, look), *column.shapes, code, *below.shapes, *name.shapes)
    return Face(width, height, look.background, shapes)


def _shop_name(width: float, height: float, shop: str, look: PosterLook) -> _Column:
    """Return the name at the foot; a long one takes two lines rather than letters nobody can read."""
    unit = width / 100
    name = _Column(width / 2, height - 11 * unit, width * 0.84)
    size, _lines = fit(shop, 4.6 * unit, width=name.width, bold=True)
    if size >= 3.5 * unit:
        name.words(shop, 4.6 * unit, look.foreground, bold=True)
    else:
        name.y = height - 12.5 * unit
        name.words(shop, 3.5 * unit, look.foreground, bold=True, lines_max=2)
    return name


def _head(width: float, text: PosterText, look: PosterLook, share: float) -> _Column:
    """Return what stands above the code. share: of the largest headline."""
    unit = width / 100
    column = _Column(width / 2, 9 * unit, width * 0.84)
    if look.logo:
        column.logo(look.logo, 13 * share * unit)
        column.gap(3 * share * unit)
    column.words(text.headline, 13 * share * unit, look.foreground, bold=True, lines_max=2)
    column.gap(1.5 * unit)
    column.words(text.offer, max(4.6, 6.2 * share) * unit, look.accent, bold=True, lines_max=2)
    return column


def _ornament(width: float, height: float, look: PosterLook) -> list[Shape]:
    """Return rings in the lower corner, as on the card: ink on ink, so that it costs no attention."""
    soft = mix(look.background, look.foreground, 0.09)
    return [Disc(width, height, width * share, soft, width * 0.004) for share in (0.2, 0.28, 0.36, 0.44)]


def _sticker(
    width: float, height: float, url: str, *, text: PosterText, look: PosterLook, is_round: bool
) -> Face:
    unit = width / 100
    top, foot = (10, 88) if is_round else (5, 95)
    column = _Column(width / 2, top * unit, width * (0.58 if is_round else 0.88))
    column.words(text.headline, (8 if is_round else 9.5) * unit, look.foreground, bold=True, lines_max=2)
    # A long name takes two lines rather than letters nobody can read.
    size, lines = fit(text.shop, 5 * unit, width=width * (0.48 if is_round else 0.86), bold=True, lines_max=1)
    if size < 3.5 * unit:
        size, lines = fit(
            text.shop, 3.5 * unit, width=width * (0.46 if is_round else 0.86), bold=True, lines_max=2
        )
    first = foot * unit - (len(lines) - 1) * size * LINE
    name = [
        Words(width / 2, first + place * size * LINE, size, line, look.accent, bold=True)
        for place, line in enumerate(lines)
    ]
    room = first - size * LINE - column.y
    side = min((56 if is_round else 68) * unit, room - 3 * unit)
    ring = [Disc(width / 2, height / 2, 47.5 * unit, look.accent, 0.7 * unit)] if is_round else []
    code = Code((width - side) / 2, column.y + (room - side) / 2 + unit, side, url)
    return Face(width, height, look.background, (*ring, *column.shapes, code, *name))


def mix(one: str, other: str, share: float) -> str:
    """Return a colour between two."""
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
