"""The pictures of a pass, drawn for Google's servers to fetch: stamps or a bar as a hero image, and a logo.

Their addresses carry what is to be drawn and a mac, so that nobody else decides what our server draws; they say
nothing about a person. A drawing is kept by its address: one for each design and count. What is drawn is the same
as on Apple's strip.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image, ImageDraw

from app.modules.wallets.apple_wallet.generator import strip_state
from app.modules.wallets.apple_wallet.grounds import draw_ground
from app.modules.wallets.apple_wallet.pictures import Look, icon_image
from app.modules.wallets.apple_wallet.strips import STAMPS_DRAWN_MAX, STRIP, Frame, StripState, state_image
from app.modules.wallets.rules import CardColors
from app.modules.wallets.view import CardView
from app.utils.security import Keyring, b64, same, unb64

HERO_SIZE = (1032, 336)
LOGO_SIZE = (660, 660)
SMOOTH = 2
HERO_MARGIN = 36
BAR_SCALE = 3
# The card in the browser is taller than a strip; a phone shows it 340 points wide.
GROUND_SIZE, GROUND_SCALE = (720, 540), 2
STRIP_SCALE = 2
# Google masks a logo to a circle and asks for room around what it shows.
LOGO_SHARE = 0.5
MAC_BYTES = 15
TOKEN_LENGTH_MAX = 400
DRAWINGS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows. kind: stamps, bar, strip, plain, logo or ground; icon, ground: the card's."""

    kind: str
    background: str
    foreground: str
    accent: str
    count: int = 0
    needed: int = 0
    icon: str = ""
    ground: str = ""


def picture_token(keyring: Keyring, picture: Picture) -> str:
    """Return the part of the address that names the picture and proves that we did."""
    values = [
        picture.kind,
        picture.background,
        picture.foreground,
        picture.accent,
        picture.count,
        picture.needed,
        picture.icon,
        picture.ground,
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
    # Addresses of phones that saw no change since there are grounds have one value less.
    return Picture(*json.loads(data))


def hero_picture(view: CardView) -> Picture:
    """Return the hero image of a card: its stamps, or how far the next reward for points is."""
    state = strip_state(view)
    colors = view.colors
    kind = "stamps" if state.needed else "bar"
    # A card over its number shows itself full; more stamps than can be drawn are left out.
    needed = min(state.needed, STAMPS_DRAWN_MAX)
    shown = min(state.filled, needed) if needed else state.filled
    inks = (colors.background, colors.foreground, colors.accent)
    return Picture(kind, *inks, shown, needed, view.icon, colors.ground)


def strip_picture(view: CardView) -> Picture:
    """Return the strip of an Apple pass, for the preview in the dashboard."""
    return replace(hero_picture(view), kind="strip")


def plain_picture(colors: CardColors) -> Picture:
    """Return the hero image of a programme: its colours with a pattern."""
    return Picture("plain", colors.background, colors.foreground, colors.accent)


def ground_picture(colors: CardColors) -> Picture:
    """Return what lies under the card in the browser."""
    return Picture("ground", colors.background, colors.foreground, colors.accent, ground=colors.ground)


def ground_css(keyring: Keyring, colors: CardColors) -> str:
    """Return the variables of a card's ground for a stylesheet; nothing for plain colour."""
    return css_over(picture_token(keyring, ground_picture(colors))) if colors.ground else ""


def css_over(token: str) -> str:
    """Return the variables of a ground by its picture's address. Empty places are filled, to be seen on any photo."""
    slot = "color-mix(in srgb, var(--card-fg) 8%, var(--card-bg))"
    return f" --card-ground: url(/wallet-pictures/{token}.png); --card-lines: none; --card-slot: {slot};"


def logo_picture(view: CardView) -> Picture:
    """Return the logo of a shop that has none: the card's icon in its colours."""
    colors = view.colors
    return Picture("logo", colors.background, colors.foreground, colors.accent, icon=view.icon)


@lru_cache(maxsize=DRAWINGS_KEPT)
def draw_picture(picture: Picture) -> bytes:
    """Return the PNG in a palette of few colours; some milliseconds of drawing, then kept."""
    image = _draw(picture)
    small = image if image.mode == "P" else image.quantize(64, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw(picture: Picture) -> Image.Image:
    look = Look(picture.background, picture.foreground, picture.accent, picture.icon, picture.ground)
    state = StripState(picture.count, picture.needed)
    if picture.kind in {"stamps", "bar"}:
        return state_image(look, state, Frame(*HERO_SIZE, HERO_MARGIN, BAR_SCALE))
    if picture.kind == "strip":
        size = (STRIP[0] * STRIP_SCALE, STRIP[1] * STRIP_SCALE)
        return state_image(look, state, Frame(*size, 12 * STRIP_SCALE, STRIP_SCALE))
    if picture.kind == "ground":
        inks = {"background": picture.background, "foreground": picture.foreground}
        return draw_ground(picture.ground, GROUND_SIZE, scale=GROUND_SCALE, **inks)
    if picture.kind == "logo":
        return icon_image(look, LOGO_SIZE[0], share=LOGO_SHARE)
    return _draw_pattern(picture)


def _draw_pattern(picture: Picture) -> Image.Image:
    width, height = HERO_SIZE[0] * SMOOTH, HERO_SIZE[1] * SMOOTH
    image = Image.new("RGB", (width, height), picture.background)
    draw = ImageDraw.Draw(image)
    soft = _mix(picture.background, picture.accent, 0.3)
    for step in range(4):
        radius = height * (0.35 + 0.3 * step)
        box = (width - radius, height - radius, width + radius, height + radius)
        draw.ellipse(box, outline=soft, width=8 * SMOOTH)
    draw.rectangle((0, height - 14 * SMOOTH, width, height), fill=picture.accent)
    return image.resize(HERO_SIZE, Image.Resampling.BOX)


def _mix(one: str, other: str, share: float) -> str:
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
