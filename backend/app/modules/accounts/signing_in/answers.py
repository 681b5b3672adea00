"""The cookies of a sign-in on an answer."""

from __future__ import annotations

from fastapi import Request, Response

from app.kernel.outcomes import Refusal
from app.kernel.web.cookies import delete_cookie, set_cookie
from app.modules.accounts.rules import SESSION_LIFETIME
from app.modules.accounts.signing_in.browser import DEVICE_COOKIE, DEVICE_COOKIE_AGE
from app.modules.accounts.signing_in.half import HALF_COOKIE, HALF_LIFETIME, HalfSignedIn
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE, SignedIn


def with_session(
    request: Request, response: Response, outcome: SignedIn | HalfSignedIn | Refusal
) -> Response:
    """Put the cookies of a session, or of a half sign-in, on the answer; a refusal changes none."""
    if isinstance(outcome, SignedIn):
        set_cookie(request, response, SESSION_COOKIE, outcome.token, max_age=SESSION_LIFETIME)
        set_cookie(request, response, DEVICE_COOKIE, outcome.device, max_age=DEVICE_COOKIE_AGE)
        delete_cookie(request, response, HALF_COOKIE)
    elif isinstance(outcome, HalfSignedIn):
        set_cookie(request, response, HALF_COOKIE, outcome.token, max_age=HALF_LIFETIME)
    return response
