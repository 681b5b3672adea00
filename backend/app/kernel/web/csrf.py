"""No other site may send requests in a visitor's name.

Three nets, each enough against most: cookies are SameSite=Lax; a browser's own Origin and Sec-Fetch-Site are
believed; a form carries a token bound to a cookie that other sites can neither read nor set (__Host-).
A plain HTTP client with a session cookie and JSON needs none of it: no site can make a browser send that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from app.kernel.errors import AppError, Forbidden
from app.kernel.web.cookies import keyring_of, read_cookie, set_cookie, settings_of
from app.utils.security import b64, new_token, same

CSRF_COOKIE = "csrf"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# A page of another site cannot set this header without asking first, and we never allow it to.
HEADER_SCHEMES = frozenset({"bearer", "applepass"})

F = TypeVar("F", bound=Callable[..., Any])


class CsrfRefused(Forbidden):
    """The request may come from another site, or from a page that is too old."""

    code = "csrf"


class UnsupportedMediaType(AppError):
    """The body is of a kind this address does not take."""

    code = "unsupported_media_type"


def csrf_exempt(handler: F) -> F:
    """Mark a handler that acts on no cookie at all, such as the one-click unsubscribe of mail programmes."""
    handler.__csrf_exempt__ = True  # type: ignore[attr-defined]
    return handler


class CsrfToken:
    """The token of this visitor, made at its first use in a page so that other pages set no cookie."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __str__(self) -> str:
        """Return the token for a hidden field."""
        secret = read_cookie(self._request, CSRF_COOKIE) or getattr(self._request.state, "csrf_secret", None)
        if secret is None:
            secret = new_token()
            self._request.state.csrf_secret = secret
        return _token_for(self._request, secret)

    __html__ = __str__


def keep_csrf_cookie(request: Request, response: Response) -> None:
    """Set the cookie when the page rendered the token of a visitor who had none."""
    secret = getattr(request.state, "csrf_secret", None)
    if secret is not None:
        set_cookie(request, response, CSRF_COOKIE, secret)


def _token_for(request: Request, secret: str, *, version: int | None = None) -> str:
    return b64(keyring_of(request).mac("token", "csrf", secret, version=version)[:24])


async def check_csrf(request: Request) -> None:
    """Refuse a changing request that another site could have sent; a dependency of every route.

    Raises CsrfRefused or UnsupportedMediaType.
    """
    if request.method in SAFE_METHODS or getattr(request.scope.get("endpoint"), "__csrf_exempt__", False):
        return
    if request.headers.get("authorization", "").partition(" ")[0].lower() in HEADER_SCHEMES:
        return
    _check_site(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return
    if not content_type and request.headers.get("content-length", "0") == "0":
        return
    if content_type not in FORM_TYPES:
        raise UnsupportedMediaType
    await _check_token(request)


def _check_site(request: Request) -> None:
    """Believe what the browser itself says about where the request comes from."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise CsrfRefused
    origin = request.headers.get("origin")
    if origin is None:
        return
    parts = urlsplit(origin)
    own = urlsplit(settings_of(request).public_url)
    # The Host header was checked against the allowed names; a page served under it is ours.
    if parts.netloc.lower() not in {own.netloc.lower(), request.headers.get("host", "").lower()}:
        raise CsrfRefused
    if parts.scheme not in {own.scheme, request.url.scheme}:
        raise CsrfRefused


async def _check_token(request: Request) -> None:
    secret = read_cookie(request, CSRF_COOKIE)
    given: object = request.headers.get(CSRF_HEADER)
    if given is None:
        given = (await request.form()).get(CSRF_FIELD)
    if not secret or not isinstance(given, str):
        raise CsrfRefused
    versions = keyring_of(request).versions("token")
    if not any(same(given, _token_for(request, secret, version=version)) for version in versions):
        raise CsrfRefused
