"""The pages before the dashboard: sign-up, sign-in, sign-out and the reset of a password."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.errors import CODES
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import authenticate, public, signed_link
from app.kernel.web.cookies import delete_cookie, read_cookie, set_cookie, settings_of
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect, safe_next
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import refusal_text, retry_headers
from app.kernel.web.proxies import address_key, client_address
from app.kernel.web.templates import render
from app.modules.merchants import schemas
from app.modules.merchants.api import with_session
from app.modules.merchants.mails import request_reset, request_sign_up
from app.modules.merchants.rules import PASSWORD_LENGTH_MIN
from app.modules.merchants.service import SignUpWish, is_sign_up_open
from app.modules.merchants.sign_in import (
    SESSION_COOKIE,
    Credentials,
    finish_reset,
    revoke_sessions,
    sign_in,
)
from app.modules.merchants.sign_up import finish_and_sign_in

router = APIRouter(include_in_schema=False)
# The token of a mail leaves the address at once: it would else stand in histories and be sent as a referrer.
SIGN_UP_LINK_COOKIE = "sign_up_link"
RESET_LINK_COOKIE = "reset_link"
LINK_COOKIE_AGE = timedelta(hours=1)
LINK_LENGTH_MAX = 300
HOME = "/dashboard"


def _form_page(
    request: Request,
    template: str,
    form: FormInput[Any] | None = None,
    *,
    refusal: Refusal | None = None,
    **context: Any,
) -> Response:
    """Show a form, with what was typed (never a password) and what is wrong with it."""
    values = {name: value for name, value in (form.values if form else {}).items() if name != "password"}
    errors = dict(form.errors) if form else {}
    status, headers = (422 if errors else 200), {}
    if refusal is not None:
        status, headers = CODES[refusal.code].status, retry_headers(request, refusal.retry_at)
    if refusal is not None and refusal.code == "weak_password":
        errors["password"] = refusal_text(refusal)
    elif refusal is not None:
        context["problem"] = refusal_text(refusal)
    context |= {"values": values, "errors": errors, "password_length": PASSWORD_LENGTH_MIN}
    return render(request, template, {"problem": "", **context}, status_code=status, headers=headers)


@router.get("/sign-up", dependencies=[public("The sign-up form")])
async def get_sign_up(request: Request) -> Response:
    """Show the sign-up form, or that sign-up is closed."""
    is_open = is_sign_up_open(settings_of(request))
    return _form_page(request, "merchants/sign_up.html" if is_open else "merchants/sign_up_closed.html")


@router.post("/sign-up", dependencies=[public("The sign-up form"), rate_limit("sign_up")])
async def post_sign_up(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the sign-up form and point to the mailbox."""
    form = await read_form(request, schemas.SignUpRequest)
    if form.data is None:
        return _form_page(request, "merchants/sign_up.html", form)
    wish = SignUpWish(form.data.name, form.data.email, form.data.password, current().language, form.key or "")
    outcome = await request_sign_up(session, wish, now=clock.now())
    if isinstance(outcome, Refusal):
        return _form_page(request, "merchants/sign_up.html", form, refusal=outcome)
    return redirect(request, "/sign-up/mailbox")


@router.get("/sign-up/mailbox", dependencies=[public("Points to the mailbox")])
async def get_sign_up_mailbox(request: Request) -> Response:
    """Say that the rest is in the mailbox, whoever asked."""
    text = _("We have sent you a link. It opens your account and works for 24 hours.")
    return render(request, "merchants/mailbox.html", {"text": text, "is_demo": settings_of(request).demo})


@router.get("/sign-up/confirm/{token}", dependencies=[signed_link("The link of a sign-up; changes nothing")])
async def get_confirm_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return _keep_token(request, SIGN_UP_LINK_COOKIE, token, "/sign-up/confirm")


def _keep_token(request: Request, cookie: str, token: str, target: str) -> Response:
    response = redirect(request, target)
    # Ours are ASCII; anything else would not fit into a header and opens nothing anyway.
    kept = token[:LINK_LENGTH_MAX] if token.isascii() else ""
    set_cookie(request, response, cookie, kept, max_age=LINK_COOKIE_AGE)
    return response


@router.get("/sign-up/confirm", dependencies=[signed_link("Asks to open the account; changes nothing")])
async def get_confirm(request: Request) -> Response:
    """Ask for the one click that opens the account."""
    return render(request, "merchants/confirm.html", {"problem": ""})


@router.post("/sign-up/confirm", dependencies=[signed_link("Open the account"), rate_limit("open_link")])
async def post_confirm_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Open the account, once, and go to the dashboard."""
    token = read_cookie(request, SIGN_UP_LINK_COOKIE) or ""
    outcome = await finish_and_sign_in(session, token, now=clock.now())
    if isinstance(outcome, Refusal):
        return _form_page(request, "merchants/link_unusable.html", refusal=outcome)
    response = redirect(request, HOME, flash=_("Welcome! Your account is open."))
    delete_cookie(request, response, SIGN_UP_LINK_COOKIE)
    return with_session(request, response, outcome)


@router.get("/sign-in", dependencies=[public("The sign-in form")])
async def get_sign_in(request: Request, next: str = "") -> Response:  # noqa: A002 (the name in the address)
    """Show the sign-in form."""
    return _form_page(request, "merchants/sign_in.html", next=safe_next(next, default=HOME))


@router.post("/sign-in", dependencies=[public("The sign-in form")])
async def post_sign_in(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the sign-in form; unknown addresses and wrong passwords get one answer."""
    form = await read_form(request, schemas.SignInRequest)
    target = safe_next(str(form.values.get("next", "")), default=HOME)
    if form.data is None:
        return _form_page(request, "merchants/sign_in.html", form, next=target)
    credentials = Credentials(
        form.data.email.strip(), form.data.password, address_key(client_address(request))
    )
    outcome = await sign_in(session, credentials, now=clock.now())
    if isinstance(outcome, Refusal):
        return _form_page(request, "merchants/sign_in.html", form, refusal=outcome, next=target)
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


@router.get("/password-reset", dependencies=[public("Ask for a reset link")])
async def get_reset(request: Request) -> Response:
    """Show the form that asks for a link."""
    return _form_page(request, "merchants/reset.html")


@router.post("/password-reset", dependencies=[public("Ask for a reset link"), rate_limit("reset")])
async def post_reset_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Send the link, if there is an account; the answer is the same."""
    form = await read_form(request, schemas.ResetRequest)
    if form.data is None:
        return _form_page(request, "merchants/reset.html", form)
    await request_reset(session, form.data.email, locale=current().language, now=clock.now())
    return redirect(request, "/password-reset/mailbox")


@router.get("/password-reset/mailbox", dependencies=[public("Points to the mailbox")])
async def get_reset_mailbox(request: Request) -> Response:
    """Say that the rest is in the mailbox, whoever asked."""
    text = _("We have sent you a link to choose a new password. It works for one hour.")
    return render(request, "merchants/mailbox.html", {"text": text, "is_demo": settings_of(request).demo})


@router.get(
    "/password-reset/link/{token}", dependencies=[signed_link("The link of a reset; changes nothing")]
)
async def get_reset_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return _keep_token(request, RESET_LINK_COOKIE, token, "/password-reset/new")


@router.get("/password-reset/new", dependencies=[signed_link("The new password's form; changes nothing")])
async def get_new_password(request: Request) -> Response:
    """Show the form for the new password."""
    return _form_page(request, "merchants/new_password.html")


@router.post(
    "/password-reset/new", dependencies=[signed_link("Choose a new password"), rate_limit("open_link")]
)
async def post_new_password_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Set the new password, once; every other session ends."""
    form = await read_form(request, schemas.NewPasswordForm)
    if form.data is None:
        return _form_page(request, "merchants/new_password.html", form)
    token = read_cookie(request, RESET_LINK_COOKIE) or ""
    outcome = await finish_reset(session, token, password=form.data.password, now=clock.now())
    if isinstance(outcome, Refusal):
        weak = outcome.code == "weak_password"
        template = "merchants/new_password.html" if weak else "merchants/link_unusable.html"
        return _form_page(request, template, form, refusal=outcome)
    response = redirect(request, HOME, flash=_("Your new password is set. All other sessions were ended."))
    delete_cookie(request, response, RESET_LINK_COOKIE)
    return with_session(request, response, outcome)
