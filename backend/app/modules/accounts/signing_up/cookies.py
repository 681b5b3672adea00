"""The cookie that recognises the browser which chose the password of a sign-up."""

from __future__ import annotations

from fastapi import Request, Response

from app.kernel.web.cookies import read_cookie, set_cookie
from app.modules.accounts.rules import SIGN_UP_LINK_LIFETIME
from app.utils.security import new_token

SIGN_UP_BROWSER_COOKIE = "sign_up_browser"
SECRET_LENGTH_MAX = 64


def sign_up_secret(request: Request) -> str:
    """Return the browser's secret, or a new one for a browser without."""
    secret = read_cookie(request, SIGN_UP_BROWSER_COOKIE) or ""
    return secret if 0 < len(secret) <= SECRET_LENGTH_MAX and secret.isascii() else new_token()


def with_sign_up_secret(request: Request, response: Response, secret: str) -> Response:
    """Put the secret on the answer to a sign-up, whoever the address belongs to."""
    set_cookie(request, response, SIGN_UP_BROWSER_COOKIE, secret, max_age=SIGN_UP_LINK_LIFETIME)
    return response
