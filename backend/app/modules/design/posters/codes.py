"""The code alone, with a logo in its middle: level H makes up for the modules that the logo covers."""

from __future__ import annotations

import base64
import io
from html import escape

from PIL import Image, ImageDraw, ImageOps

from app.modules.qr.public import qr_rows

QUIET = 4
# Level H repairs 30 % of the codewords; 22 % of the side is under 5 % of the area, with its white ground.
LOGO_SHARE = 0.22
LOGO_DOTS = 240


def _plate(side: float) -> tuple[float, float]:
    """Return where the white plate for the logo begins and how large it is, in the side's unit."""
    size = side * LOGO_SHARE
    return (side - size) / 2, size


def code_svg(text: str, logo: bytes, *, title: str) -> str:
    """Return the code with the logo as one <svg>, for print at any size."""
    rows = qr_rows(text, error="h")
    side = len(rows) + 2 * QUIET
    path = "".join(
        f"M{start + QUIET} {row + QUIET}h{length}v1h-{length}z"
        for row, runs in enumerate(rows)
        for start, length in runs
    )
    at, size = _plate(side)
    inner = size * 0.84
    image = base64.b64encode(_small(logo)).decode()
    label = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="qr" role="img" aria-label="{label}"'
        f' viewBox="0 0 {side} {side}"><title>{label}</title><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path fill="#000" shape-rendering="crispEdges" d="{path}"/>'
        f'<rect x="{at:.3f}" y="{at:.3f}" width="{size:.3f}" height="{size:.3f}" rx="1" fill="#fff"/>'
        f'<image x="{at + (size - inner) / 2:.3f}" y="{at + (size - inner) / 2:.3f}" width="{inner:.3f}"'
        f' height="{inner:.3f}" href="data:image/png;base64,{image}"/></svg>'
    )


def code_png(text: str, logo: bytes, *, scale: int) -> bytes:
    """Return the code with the logo as PNG, scale pixels a module."""
    rows = qr_rows(text, error="h")
    side = (len(rows) + 2 * QUIET) * scale
    image = Image.new("RGB", (side, side), "#ffffff")
    draw = ImageDraw.Draw(image)
    for row, runs in enumerate(rows):
        for start, length in runs:
            left, top = (QUIET + start) * scale, (QUIET + row) * scale
            draw.rectangle((left, top, left + length * scale - 1, top + scale - 1), fill="#000000")
    at, size = _plate(side)
    draw.rounded_rectangle((at, at, at + size, at + size), scale, fill="#ffffff")
    inner = max(1, round(size * 0.84))
    with Image.open(io.BytesIO(logo)) as opened:
        fitted = ImageOps.contain(opened.convert("RGBA"), (inner, inner), Image.Resampling.LANCZOS)
    image.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2), fitted)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _small(logo: bytes) -> bytes:
    with Image.open(io.BytesIO(logo)) as opened:
        fitted = ImageOps.contain(opened.convert("RGBA"), (LOGO_DOTS, LOGO_DOTS), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (LOGO_DOTS, LOGO_DOTS), (255, 255, 255, 0))
    square.paste(fitted, ((LOGO_DOTS - fitted.width) // 2, (LOGO_DOTS - fitted.height) // 2))
    out = io.BytesIO()
    square.save(out, "PNG", optimize=True)
    return out.getvalue()
