"""What other modules use of qr."""

from __future__ import annotations

import hashlib

from fastapi import Request, Response

from app.kernel.i18n import gettext as _
from app.modules.qr.qr_generator import ErrorLevel, code_rows, draw_png, draw_secret_svg, draw_svg


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


def qr_rows(text: str, *, error: ErrorLevel = "m") -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the code's rows as runs of dark modules, for whoever draws it in another way; quiet zone not included."""
    return code_rows(text, error)


def code_response(request: Request, content: bytes, media_type: str, *, name: str | None) -> Response:
    """Answer with a code that the browser may keep for a day and ask about by its fingerprint."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"etag": etag, "cache-control": "private, max-age=86400"}
    if name is not None:
        headers["content-disposition"] = f'attachment; filename="{name}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
