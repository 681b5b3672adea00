"""Draws what pictures of a card are made of: its stamps, its icon, and the logo and icon of a pass without a logo."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from app.modules.wallets.apple_wallet.grounds import mix, rgb
from app.modules.wallets.apple_wallet.package import Part, make_part
from app.modules.wallets.own_icons import find_mask

FOLDER = Path(__file__).parent / "images"
FALLBACK_ICON = "star"
LOGO_HEIGHT = 50
ICON_SIDE = 29
SCALES = (1, 2, 3)
COLORS = 48
LOOKS_KEPT = 256
_SOFT = 4


class Look(NamedTuple):
    """The colours (#rrggbb), the icon and the ground of a card."""

    background: str
    foreground: str
    accent: str
    icon: str
    ground: str = ""


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


def draw_stamp(
    image: Image.Image, place: tuple[int, int, int], look: Look, *, is_filled: bool, is_reward: bool
) -> None:
    """Draw a stamp or its empty place. place: left, top and side, in pixels."""
    x, y, side = place
    icon = _glyph("gift" if is_reward else look.icon, max(4, int(side * 0.6)))
    at = (x + (side - icon.width) // 2, y + (side - icon.height) // 2)
    if is_filled:
        image.paste(rgb(look.accent), (x, y), _disc(side, 0))
        image.paste(rgb(look.background), at, icon)
        return
    quiet = rgb(look.accent) if is_reward else mix(look.background, look.foreground, 0.45)
    image.paste(mix(look.background, look.foreground, 0.08), (x, y), _disc(side, 0))
    image.paste(quiet, (x, y), _disc(side, max(1, side // 24)))
    image.paste(quiet, at, icon)


def picture_name(stem: str, scale: int) -> str:
    return f"{stem}.png" if scale == 1 else f"{stem}@{scale}x.png"


def icon_image(look: Look, side: int, *, share: float) -> Image.Image:
    """Return the card's icon on its background. share: how much of the side the icon takes."""
    image = Image.new("RGB", (side, side), rgb(look.background))
    glyph = _glyph(look.icon, int(side * share))
    at = (side - glyph.width) // 2
    image.paste(rgb(look.accent), (at, at), glyph)
    return image


@lru_cache(maxsize=LOOKS_KEPT)
def look_parts(look: Look) -> tuple[Part, ...]:
    """Return logo and icon in three sizes. The icon is what the lock screen shows; without it no pass opens."""
    parts: list[Part] = []
    for scale in SCALES:
        side = LOGO_HEIGHT * scale
        logo = Image.new("RGBA", (side, side), (*rgb(look.accent), 0))
        logo.paste((*rgb(look.accent), 255), (0, 0), _glyph(look.icon, side))
        parts.append(make_part(picture_name("logo", scale), _png(logo)))
        icon = icon_image(look, ICON_SIDE * scale, share=0.7)
        parts.append(make_part(picture_name("icon", scale), _png(icon)))
    return tuple(parts)
