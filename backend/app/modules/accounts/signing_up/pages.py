"""The pages of a sign-up: the form, the mailbox, the click that opens the account."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.cookies import delete_cookie, read_cookie, settings_of
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.templates import render
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_in.shown import HOME, form_page, keep_token
from app.modules.accounts.signing_up import schemas
from app.modules.accounts.signing_up.cookies import sign_up_secret, with_sign_up_secret
from app.modules.accounts.signing_up.service import (
    Confirmation,
    SignUpWish,
    finish_sign_up,
    may_sign_up,
    needs_password,
    request_sign_up,
)

router = APIRouter(include_in_schema=False)
SIGN_UP_LINK_COOKIE = "sign_up_link"
SIGN_UP_INVITATION_COOKIE = "sign_up_invitation"


def _invitation(request: Request) -> str:
    return read_cookie(request, SIGN_UP_INVITATION_COOKIE) or ""


@router.get("/sign-up", dependencies=[public("The sign-up form")])
async def get_sign_up(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Show the sign-up form, or that sign-up is closed; an operator's invitation came with a cookie."""
    is_open = await may_sign_up(session, _invitation(request), now=clock.now())
    return form_page(request, "accounts/sign_up.html" if is_open else "accounts/sign_up_closed.html")


@router.post("/sign-up", dependencies=[public("The sign-up form"), rate_limit("sign_up")])
async def post_sign_up(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the sign-up form and point to the mailbox."""
    form = await read_form(request, schemas.SignUpRequest)
    if form.data is None:
        return form_page(request, "accounts/sign_up.html", form)
    data, secret = form.data, sign_up_secret(request)
    texts = (data.name, data.email, data.password, current().language, form.key or "", secret)
    wish = SignUpWish(*texts, invitation=_invitation(request))
    outcome = await request_sign_up(session, wish, now=clock.now())
    if isinstance(outcome, Refusal):
        return form_page(request, "accounts/sign_up.html", form, refusal=outcome)
    return with_sign_up_secret(request, redirect(request, "/sign-up/mailbox"), secret)


@router.get(
    "/sign-up/invited/{token}", dependencies=[signed_link("An operator's invitation; changes nothing")]
)
async def get_invited(request: Request, token: str) -> Response:
    """Move the invitation's token out of the address."""
    return keep_token(request, SIGN_UP_INVITATION_COOKIE, token=token, target="/sign-up")


@router.get("/sign-up/mailbox", dependencies=[public("Points to the mailbox")])
async def get_sign_up_mailbox(request: Request) -> Response:
    """Say that the rest is in the mailbox, whoever asked."""
    text = _("We have sent you a link. It opens your account and works for 24 hours.")
    return render(request, "accounts/mailbox.html", {"text": text, "is_demo": settings_of(request).demo})


@router.get("/sign-up/confirm/{token}", dependencies=[signed_link("The link of a sign-up; changes nothing")])
async def get_confirm_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return keep_token(request, SIGN_UP_LINK_COOKIE, token=token, target="/sign-up/confirm")


def _opened(request: Request, password: str = "") -> Confirmation:
    return Confirmation(read_cookie(request, SIGN_UP_LINK_COOKIE) or "", sign_up_secret(request), password)


@router.get("/sign-up/confirm", dependencies=[signed_link("Asks to open the account; changes nothing")])
async def get_confirm(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Ask for the one click that opens the account, and for a password in a browser that has not chosen it."""
    asks = await needs_password(session, _opened(request), now=clock.now())
    return form_page(request, "accounts/confirm.html", asks_password=asks)


@router.post("/sign-up/confirm", dependencies=[signed_link("Open the account"), rate_limit("open_link")])
async def post_confirm_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Open the account, once, and go to the dashboard."""
    form = await read_form(request, schemas.ConfirmForm)
    opened = _opened(request, (form.data.password or "") if form.data else "")
    outcome = await finish_sign_up(session, opened, browser=browser_of(request), now=clock.now())
    if isinstance(outcome, Refusal):
        can_go_on = outcome.code in {"password_needed", "weak_password"}
        template = "accounts/confirm.html" if can_go_on else "accounts/link_unusable.html"
        return form_page(request, template, form, refusal=outcome, asks_password=True)
    response = redirect(request, HOME, flash=_("Welcome! Your account is open."))
    delete_cookie(request, response, SIGN_UP_LINK_COOKIE)
    return with_session(request, response, outcome)
