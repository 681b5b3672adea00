"""The pages of sign-in and sign-out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import authenticate, public
from app.kernel.web.cookies import delete_cookie
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect, safe_next
from app.modules.accounts.hooks import SIGN_IN_BLOCK
from app.modules.accounts.signing_in import schemas
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_in.half import HalfSignedIn
from app.modules.accounts.signing_in.service import Credentials, sign_in
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE, revoke_sessions
from app.modules.accounts.signing_in.shown import HOME, form_page

router = APIRouter(include_in_schema=False)


def _sign_in_page(
    request: Request, form: Any = None, *, refusal: Refusal | None = None, target: str
) -> Response:
    blocks = [template for _key, template in SIGN_IN_BLOCK.items()]
    return form_page(request, "accounts/sign_in.html", form, refusal=refusal, next=target, blocks=blocks)


@router.get("/sign-in", dependencies=[public("The sign-in form")])
async def get_sign_in(request: Request, next: str = "") -> Response:  # noqa: A002 (the name in the address)
    """Show the sign-in form."""
    return _sign_in_page(request, target=safe_next(next, default=HOME))


@router.post("/sign-in", dependencies=[public("The sign-in form")])
async def post_sign_in(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the sign-in form; unknown addresses and wrong passwords get one answer."""
    form = await read_form(request, schemas.SignInRequest)
    target = safe_next(str(form.values.get("next", "")), default=HOME)
    if form.data is None:
        return _sign_in_page(request, form, target=target)
    credentials = Credentials(form.data.email.strip(), form.data.password, browser_of(request))
    outcome = await sign_in(session, credentials, now=clock.now())
    if isinstance(outcome, Refusal):
        return _sign_in_page(request, form, refusal=outcome, target=target)
    if isinstance(outcome, HalfSignedIn):
        target = f"{outcome.page_url}?next={quote(target)}"
    return with_session(request, redirect(request, target), outcome)


@router.post("/sign-out", dependencies=[public("Ends the session of the cookie, if there is one")])
async def post_sign_out(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """End the session and forget the cookie."""
    principal = await authenticate(request, session, kinds=("session",))
    if principal is not None:
        await revoke_sessions(session, principal, session_id=principal.extra["session_id"], now=clock.now())
    response = redirect(request, "/sign-in", flash=_("You are signed out."))
    delete_cookie(request, response, SESSION_COOKIE)
    return response
