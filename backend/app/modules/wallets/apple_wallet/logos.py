"""A merchant's own logo on a pass: fitted into Apple's slots, and as the icon where it is square enough."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, UnidentifiedImageError

from app.kernel.observability import get_logger
from app.modules.wallets.apple_wallet.package import Part, make_part
from app.modules.wallets.apple_wallet.pictures import ICON_SIDE, SCALES, Look, icon_image

LOGO_BOX = (160, 50)
# Wider than that a logo would be a thin line in the icon's square: the card's own icon says more.
ICON_ASPECT_MAX = 1.6
ICON_SHARE = 0.82
COLORS = 128
LOGOS_KEPT = 256

log = get_logger("stempel.wallets")


@lru_cache(maxsize=LOGOS_KEPT)
def logo_parts(look: Look, logo: bytes) -> tuple[Part, ...]:
    """Return logo and icon in three sizes from the bytes of a picture; nothing where it cannot be read."""
    try:
        with Image.open(io.BytesIO(logo), formats=("PNG", "JPEG", "WEBP")) as opened:
            picture = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        log.warning("logo_unreadable")
        return ()
    parts: list[Part] = []
    for scale in SCALES:
        fitted = _fit(picture, LOGO_BOX[0] * scale, LOGO_BOX[1] * scale)
        parts.append(make_part(_name("logo", scale), _png(fitted)))
        parts.append(make_part(_name("icon", scale), _png(_icon(look, picture, ICON_SIDE * scale))))
    return tuple(parts)


def _fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    share = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _icon(look: Look, picture: Image.Image, side: int) -> Image.Image:
    aspect = max(picture.width, picture.height) / min(picture.width, picture.height)
    if aspect > ICON_ASPECT_MAX:
        return icon_image(look, side, share=0.7)
    icon = Image.new("RGB", (side, side), look.background)
    fitted = _fit(picture, round(side * ICON_SHARE), round(side * ICON_SHARE))
    icon.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2), fitted)
    return icon


def _name(stem: str, scale: int) -> str:
    return f"{stem}.png" if scale == 1 else f"{stem}@{scale}x.png"


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # Keeps what is see-through, which the other methods of quantizing would not.
    image.quantize(COLORS, method=Image.Quantize.FASTOCTREE).save(out, "PNG", optimize=True)
    return out.getvalue()
