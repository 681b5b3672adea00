"""Small helpers of page handlers: redirect after post, and addresses that stay on this site."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from app.kernel.web.flash import add_flash
from app.kernel.web.templates import is_htmx

NEXT_LENGTH_MAX = 500
# What an address holds as it is, "%" included: what was written as %C3%A9 before stays so.
_URL_SAFE = ":/%#?=@[]!$&'()*+,;"


def safe_next(target: str | None, *, default: str = "/") -> str:
    """Return the target when it is a path of this site, else the default.

    Backslashes and control characters are refused, because browsers read `/\\host` as another host.
    """
    if not target or len(target) > NEXT_LENGTH_MAX:
        return default
    if not target.startswith("/") or target.startswith("//"):
        return default
    if "\\" in target or any(ord(letter) < 33 or ord(letter) == 127 for letter in target):
        return default
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else default


def redirect(request: Request, target: str, *, flash: str | None = None, kind: str = "ok") -> Response:
    """Send the browser to another page of this site with GET; for htmx the whole page moves."""
    assert safe_next(target, default="") == target, "redirects stay on this site"
    response: Response
    if is_htmx(request):
        # Headers are latin-1: letters of other scripts are written as RedirectResponse writes them.
        response = Response(status_code=204, headers={"hx-redirect": quote(target, safe=_URL_SAFE)})
    else:
        response = RedirectResponse(target, status_code=303)
    if flash is not None:
        add_flash(request, response, flash, kind=kind)
    return response
