"""The pages of a password chosen anew."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.cookies import delete_cookie, read_cookie, settings_of
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.templates import render
from app.modules.accounts.signing_in import schemas
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_in.half import HalfSignedIn
from app.modules.accounts.signing_in.resets import finish_reset, request_reset
from app.modules.accounts.signing_in.shown import HOME, form_page, keep_token

router = APIRouter(include_in_schema=False)
RESET_LINK_COOKIE = "reset_link"


@router.get("/password-reset", dependencies=[public("Ask for a reset link")])
async def get_reset(request: Request) -> Response:
    """Show the form that asks for a link."""
    return form_page(request, "accounts/reset.html")


@router.post("/password-reset", dependencies=[public("Ask for a reset link"), rate_limit("reset")])
async def post_reset_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Send the link, if there is an account; the answer is the same."""
    form = await read_form(request, schemas.ResetRequest)
    if form.data is None:
        return form_page(request, "accounts/reset.html", form)
    await request_reset(session, form.data.email, locale=current().language, now=clock.now())
    return redirect(request, "/password-reset/mailbox")


@router.get("/password-reset/mailbox", dependencies=[public("Points to the mailbox")])
async def get_reset_mailbox(request: Request) -> Response:
    """Say that the rest is in the mailbox, whoever asked."""
    text = _("We have sent you a link to choose a new password. It works for one hour.")
    return render(request, "accounts/mailbox.html", {"text": text, "is_demo": settings_of(request).demo})


@router.get(
    "/password-reset/link/{token}", dependencies=[signed_link("The link of a reset; changes nothing")]
)
async def get_reset_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return keep_token(request, RESET_LINK_COOKIE, token=token, target="/password-reset/new")


@router.get("/password-reset/new", dependencies=[signed_link("The new password's form; changes nothing")])
async def get_new_password(request: Request) -> Response:
    """Show the form for the new password."""
    return form_page(request, "accounts/new_password.html", action="/password-reset/new")


@router.post(
    "/password-reset/new", dependencies=[signed_link("Choose a new password"), rate_limit("open_link")]
)
async def post_new_password_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Set the new password, once; every other session ends."""
    form = await read_form(request, schemas.NewPasswordForm)
    if form.data is None:
        return _new_password_page(request, form)
    token, browser = read_cookie(request, RESET_LINK_COOKIE) or "", browser_of(request)
    outcome = await finish_reset(
        session, token, password=form.data.password, browser=browser, now=clock.now()
    )
    if isinstance(outcome, Refusal):
        return _new_password_page(request, form, outcome)
    target = outcome.page_url if isinstance(outcome, HalfSignedIn) else HOME
    response = redirect(request, target, flash=_("Your new password is set. All other sessions were ended."))
    delete_cookie(request, response, RESET_LINK_COOKIE)
    return with_session(request, response, outcome)


def _new_password_page(request: Request, form: FormInput[Any], refusal: Refusal | None = None) -> Response:
    can_go_on = refusal is None or refusal.code == "weak_password"
    template = "new_password" if can_go_on else "link_unusable"
    return form_page(
        request, f"accounts/{template}.html", form, refusal=refusal, action="/password-reset/new"
    )
