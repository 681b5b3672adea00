"""What other modules use of qr."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.modules.qr.qr_generator import ErrorLevel, draw_png, draw_secret_svg, draw_svg


def qr_svg(text: str, *, quiet: int = 4, error: ErrorLevel = "m", title: str | None = None) -> str:
    """Return the text as an SVG code without inline style, announced by its title; safe to put into a page.

    quiet: modules of white around it; four is what the standard asks for. title: default "QR code".
    """
    return draw_svg(text, quiet, error, _("QR code") if title is None else title)


def secret_qr_svg(text: str, *, title: str) -> str:
    """Return the text as an SVG code and keep nothing of it, unlike qr_svg, which remembers its codes."""
    return draw_secret_svg(text, title)


def qr_png(text: str, *, scale: int = 10, quiet: int = 4, error: ErrorLevel = "m") -> bytes:
    """Return the text as a PNG code. scale: pixels a module, at most 40."""
    return draw_png(text, scale, quiet, error)
