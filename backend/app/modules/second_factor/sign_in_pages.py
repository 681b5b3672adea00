"""The second step of a sign-in, and signing in with a passkey alone."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from typing import Any

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.errors import CODES
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.cookies import read_cookie, set_cookie
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect, safe_next
from app.kernel.web.limits import rate_limit
from app.kernel.web.present import json_response
from app.kernel.web.problems import refusal_response, refusal_text, retry_headers
from app.kernel.web.templates import render
from app.modules.accounts.public import (
    browser_of,
    find_half_sign_in,
    finish_sign_in,
    half_token,
    try_half_sign_in,
    with_session,
)
from app.modules.qr.public import secret_qr_svg
from app.modules.second_factor import schemas
from app.modules.second_factor.mails import SECURITY_PATH
from app.modules.second_factor.passkeys.challenges import new_browser_mark
from app.modules.second_factor.proving import (
    begin_key_sign_in,
    begin_key_step,
    first_app_step,
    half_mark,
    key_sign_in,
    key_step,
)
from app.modules.second_factor.rules import CHALLENGE_LIFETIME, format_recovery_code, format_secret
from app.modules.second_factor.service import check_code, factors_of
from app.modules.second_factor.signing_in import STEP_PATH
from app.modules.second_factor.totp import begin_totp, find_pending, offer_of

router = APIRouter(include_in_schema=False)
HOME = "/dashboard"
SIGN_IN = "/sign-in"
# Binds the question of a sign-in with a passkey to the browser that asked it.
MARK_COOKIE = "passkey_mark"
HALF = "A right password; asks for the second step"
OVER = Refusal("link_unusable")


def _target(value: object) -> str:
    return safe_next(str(value or ""), default=HOME)


def _sign_in_again(request: Request) -> Response:
    return redirect(request, SIGN_IN, flash=_("That took too long. Please sign in again."), kind="warn")


def _problem(refusal: Refusal | None, *, now: datetime) -> str:
    if refusal is None:
        return ""
    if refusal.code != "rate_limited" or refusal.retry_at is None:
        return refusal_text(refusal)
    minutes = ceil((refusal.retry_at - now).total_seconds() / 60)
    return ngettext(
        "Too many wrong codes. They are taken again in %(num)s minute; a passkey works at once.",
        "Too many wrong codes. They are taken again in %(num)s minutes; a passkey works at once.",
        minutes,
    )


async def _step_page(
    request: Request, session: Any, *, target: str, now: datetime, refusal: Refusal | None = None
) -> Response:
    who = await find_half_sign_in(session, half_token(request), now=now)
    if who is None or (refusal is not None and refusal.code == OVER.code):
        return _sign_in_again(request)
    factors = await factors_of(session, who.merchant_id, member_id=who.member_id)
    context = {
        "factors": factors,
        "next": target,
        "problem": _problem(refusal, now=now),
        "path": STEP_PATH,
    }
    template = "second_factor/step.html" if factors.on else "second_factor/step_missing.html"
    status = CODES[refusal.code].status if refusal else 200
    headers = retry_headers(request, refusal.retry_at if refusal else None)
    return render(request, template, context, status_code=status, headers=headers)


@router.get(STEP_PATH, dependencies=[signed_link(HALF)])
async def get_step(request: Request, session: SessionDep, clock: ClockDep, next: str = "") -> Response:  # noqa: A002
    """Ask for the code or the passkey, or to set one up where the owner wants everyone to have one."""
    return await _step_page(request, session, target=_target(next), now=clock.now())


@router.post(STEP_PATH, dependencies=[signed_link(HALF), rate_limit("open_link")])
async def post_step(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take a code of the app, or a recovery code, and open the session."""
    form, now, token = await read_form(request, schemas.CodeForm), clock.now(), half_token(request)
    target, browser = _target(form.values.get("next")), browser_of(request)
    who = await try_half_sign_in(session, token, browser=browser, now=now)
    if isinstance(who, Refusal):
        return await _step_page(request, session, target=target, now=now, refusal=who)
    code = form.data.code if form.data else ""
    if not await check_code(session, who.merchant_id, member_id=who.member_id, code=code, now=now):
        refusal = Refusal("code_wrong")
        return await _step_page(request, session, target=target, now=now, refusal=refusal)
    outcome = await finish_sign_in(session, token, browser=browser, now=now)
    return _signed_in(request, outcome, target)


def _signed_in(request: Request, outcome: Any, target: str) -> Response:
    if isinstance(outcome, Refusal):
        return _sign_in_again(request)
    return with_session(request, redirect(request, target), outcome)


@router.post(f"{STEP_PATH}/passkey/options", dependencies=[signed_link(HALF), rate_limit("passkey")])
async def post_step_options(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Tell the page's script which of the member's passkeys to ask for."""
    options = await begin_key_step(session, half_token(request), now=clock.now())
    return refusal_response(request, options) if isinstance(options, Refusal) else json_response(options)


@router.post(f"{STEP_PATH}/passkey", dependencies=[signed_link(HALF), rate_limit("passkey")])
async def post_step_passkey(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the answer of a passkey as the second step, and open the session."""
    form, now, token = await read_form(request, schemas.AnswerForm), clock.now(), half_token(request)
    target = _target(form.values.get("next"))
    answer = form.data.credential if form.data else ""
    outcome = await key_step(session, token, answer=answer, browser=browser_of(request), now=now)
    if isinstance(outcome, Refusal):
        return await _step_page(request, session, target=target, now=now, refusal=outcome)
    return _signed_in(request, outcome, target)


@router.post(
    f"{SIGN_IN}/passkey/options", dependencies=[public("A question for a passkey"), rate_limit("passkey")]
)
async def post_sign_in_options(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Tell the page's script to ask for any passkey of this installation."""
    mark = new_browser_mark()
    response = json_response(await begin_key_sign_in(session, mark, now=clock.now()))
    set_cookie(request, response, MARK_COOKIE, mark, max_age=CHALLENGE_LIFETIME, same_site="strict")
    return response


@router.post(f"{SIGN_IN}/passkey", dependencies=[public("Sign in with a passkey"), rate_limit("passkey")])
async def post_sign_in_passkey(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the answer of a passkey that says by itself whose it is, and open the session."""
    form = await read_form(request, schemas.AnswerForm)
    answer, mark = form.data.credential if form.data else "", read_cookie(request, MARK_COOKIE) or ""
    outcome = await key_sign_in(session, mark, answer=answer, browser=browser_of(request), now=clock.now())
    if isinstance(outcome, Refusal):
        return redirect(request, SIGN_IN, flash=refusal_text(outcome), kind="danger")
    return _signed_in(request, outcome, _target(form.values.get("next")))


async def _set_up_page(
    request: Request, session: Any, *, target: str, now: datetime, refusal: Refusal | None = None
) -> Response:
    who = await find_half_sign_in(session, half_token(request), now=now)
    if who is None or (refusal is not None and refusal.code == OVER.code):
        return _sign_in_again(request)
    begun_in = half_mark(half_token(request))
    row = await find_pending(session, who.merchant_id, member_id=who.member_id, begun_in=begun_in)
    has_factor = (await factors_of(session, who.merchant_id, member_id=who.member_id)).on
    # A secret begun in the dashboard, or by another sign-in, is never shown to somebody who only knows the password.
    if row is None or has_factor:
        return redirect(request, STEP_PATH)
    offer = offer_of(session, row, account=who.email)
    context = {
        "qr": secret_qr_svg(offer.uri, title=_("Code for the authenticator app")),
        "secret": format_secret(offer.secret),
        "uri": offer.uri,
        "error": refusal_text(refusal) if refusal else None,
        "action": f"{STEP_PATH}/app/confirm",
        "next": target,
    }
    status = CODES[refusal.code].status if refusal else 200
    return render(request, "second_factor/step_app.html", context, status_code=status)


@router.post(f"{STEP_PATH}/app", dependencies=[signed_link(HALF), rate_limit("open_link")])
async def post_step_app(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Draw the secret of a first app for a member who has no factor yet."""
    now = clock.now()
    who = await find_half_sign_in(session, half_token(request), now=now)
    if who is None:
        return _sign_in_again(request)
    # Whoever has a factor must prove it: a right password alone never adds another one.
    if not (await factors_of(session, who.merchant_id, member_id=who.member_id)).on:
        begun_in = half_mark(half_token(request))
        await begin_totp(session, who.merchant_id, member_id=who.member_id, begun_in=begun_in, now=now)
    return redirect(request, f"{STEP_PATH}/app")


@router.get(f"{STEP_PATH}/app", dependencies=[signed_link(HALF)])
async def get_step_app(request: Request, session: SessionDep, clock: ClockDep, next: str = "") -> Response:  # noqa: A002
    """Show the secret that waits for its first code."""
    return await _set_up_page(request, session, target=_target(next), now=clock.now())


@router.post(f"{STEP_PATH}/app/confirm", dependencies=[signed_link(HALF), rate_limit("open_link")])
async def post_step_app_confirm(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Make the first app count, open the session and show the recovery codes."""
    form, now, token = await read_form(request, schemas.CodeForm), clock.now(), half_token(request)
    outcome = await first_app_step(
        session, token, code=form.data.code if form.data else "", browser=browser_of(request), now=now
    )
    if isinstance(outcome, Refusal):
        return await _set_up_page(request, session, target=HOME, now=now, refusal=outcome)
    opened, codes = outcome
    context = {
        "codes": [format_recovery_code(code) for code in codes],
        "go_on_url": HOME,
        "base": SECURITY_PATH,
    }
    return with_session(request, render(request, "second_factor/step_codes.html", context), opened)
