"""The own account's security page: authenticator app, passkeys, recovery codes, and what the owner asks of everyone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import CODES
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.form_input import read_form, yes
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text, retry_headers
from app.kernel.web.shell import render_member_page
from app.modules.accounts.public import browser_of, get_own_member
from app.modules.merchants.public import get_merchant
from app.modules.qr.public import secret_qr_svg
from app.modules.second_factor import schemas
from app.modules.second_factor.mails import SECURITY_PATH
from app.modules.second_factor.passkeys.service import list_passkeys, site_of
from app.modules.second_factor.rules import RECOVERY_FEW, format_recovery_code, format_secret
from app.modules.second_factor.rules import parse_recovery_code as parse_code
from app.modules.second_factor.service import (
    Proof,
    SecondFactorSettings,
    begin_app,
    confirm_app,
    draw_new_codes,
    factors_of,
    is_required_here,
    set_required,
    turn_app_off,
)
from app.modules.second_factor.totp import find_pending, find_totp, offer_of

router = APIRouter(prefix=SECURITY_PATH, include_in_schema=False)
OWN = member("members.view", api_key=False)
FILE_NAME = "stempel-recovery-codes.txt"


async def security_page(
    request: Request,
    session: Any,
    principal: Any,
    *,
    refusal: Refusal | None = None,
    where: str = "",
    problem: str = "",
) -> Response:
    """Show what is set up. where: the part of the page that a refusal or problem belongs to."""
    merchant_id, member_id = principal.merchant_id, principal.id
    merchant = await get_merchant(session, merchant_id)
    context = {
        "page_title": _("Signing in safely"),
        "page_text": _("A second step keeps everybody out who only knows your password."),
        "factors": await factors_of(session, merchant_id, member_id=member_id),
        "app": await find_totp(session, merchant_id, member_id=member_id),
        "passkeys": await list_passkeys(session, merchant_id, member_id=member_id),
        "takes_passkeys": site_of(session).takes_passkeys,
        "is_required": await is_required_here(session, merchant_id),
        "may_require": principal.may("second_factor.require"),
        "few": RECOVERY_FEW,
        "where": where,
        "problem": refusal_text(refusal) if refusal else problem,
        "time_zone": merchant.time_zone,
        "base": SECURITY_PATH,
    }
    status = CODES[refusal.code].status if refusal else 422 if problem else 200
    page = await render_member_page(
        request, session, "second_factor/security.html", context, status_code=status
    )
    page.headers.update(retry_headers(request, refusal.retry_at if refusal else None))
    return page


async def codes_page(request: Request, session: Any, codes: list[str]) -> Response:
    """Show new recovery codes, this once: a redirect would have to carry them."""
    context = {
        "page_title": _("Your recovery codes"),
        "page_text": _("Each opens your account once, when phone and passkeys are not at hand."),
        "codes": [format_recovery_code(code) for code in codes],
        "go_on_url": SECURITY_PATH,
        "base": SECURITY_PATH,
    }
    return await render_member_page(request, session, "second_factor/codes.html", context)


@router.get("", dependencies=[OWN])
async def get_security(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show what the member has set up."""
    return await security_page(request, session, principal)


@router.post("/app", dependencies=[OWN])
async def post_app(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Draw a secret for a new app, after the password, and go on to its code."""
    form = await read_form(request, schemas.PasswordForm)
    if form.data is None:
        return await security_page(
            request, session, principal, where="app", problem=_("Please fill this in.")
        )
    refusal = await begin_app(
        session, principal, password=form.data.password, begun_in=_session_of(principal), now=clock.now()
    )
    if refusal is not None:
        return await security_page(request, session, principal, refusal=refusal, where="app")
    return redirect(request, f"{SECURITY_PATH}/app")


def _session_of(principal: Any) -> str:
    return str(principal.extra["session_id"])


async def _app_page(
    request: Request, session: Any, principal: Any, *, refusal: Refusal | None = None
) -> Response:
    own = await get_own_member(session, principal)
    row = await find_pending(session, own.merchant_id, member_id=own.id, begun_in=_session_of(principal))
    if row is None:
        return redirect(request, SECURITY_PATH)
    offer = offer_of(session, row, account=own.email)
    context = {
        "page_title": _("Set up the authenticator app"),
        "back_url": SECURITY_PATH,
        "qr": secret_qr_svg(offer.uri, title=_("Code for the authenticator app")),
        "secret": format_secret(offer.secret),
        "uri": offer.uri,
        "error": refusal_text(refusal) if refusal else None,
        "action": f"{SECURITY_PATH}/app/confirm",
    }
    status = CODES[refusal.code].status if refusal else 200
    return await render_member_page(request, session, "second_factor/app.html", context, status_code=status)


@router.get("/app", dependencies=[OWN])
async def get_app(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the secret that waits for its first code, as a picture and as text."""
    return await _app_page(request, session, principal)


@router.post("/app/confirm", dependencies=[OWN])
async def post_app_confirm(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make the app count, and show recovery codes where it is the first factor."""
    form = await read_form(request, schemas.CodeForm)
    own = await get_own_member(session, principal)
    code = form.data.code if form.data else ""
    codes = await confirm_app(session, own, code=code, begun_in=_session_of(principal), now=clock.now())
    if isinstance(codes, Refusal):
        return await _app_page(request, session, principal, refusal=codes)
    if codes:
        return await codes_page(request, session, codes)
    return redirect(request, SECURITY_PATH, flash=_("The authenticator app is set up."))


@router.post("/app/remove", dependencies=[OWN])
async def post_app_remove(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Turn the app off, after password and code."""
    form = await read_form(request, schemas.ProofForm)
    if form.data is None:
        return await security_page(
            request, session, principal, where="app", problem=_("Please fill this in.")
        )
    proof = Proof(form.data.password, browser_of(request), form.data.code)
    refusal = await turn_app_off(session, principal, proof, now=clock.now())
    if refusal is not None:
        return await security_page(request, session, principal, refusal=refusal, where="app")
    return redirect(request, SECURITY_PATH, flash=_("The authenticator app is turned off."))


@router.post("/recovery-codes", dependencies=[OWN])
async def post_recovery_codes(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Draw new recovery codes, after password and code; the old ones end."""
    form = await read_form(request, schemas.ProofForm)
    if form.data is None:
        return await security_page(
            request, session, principal, where="codes", problem=_("Please fill this in.")
        )
    proof = Proof(form.data.password, browser_of(request), form.data.code)
    codes = await draw_new_codes(session, principal, proof, now=clock.now())
    if isinstance(codes, Refusal):
        return await security_page(request, session, principal, refusal=codes, where="codes")
    return await codes_page(request, session, codes)


@router.post("/recovery-codes/file", dependencies=[OWN])
async def post_recovery_file(request: Request) -> Response:
    """Give the codes that were just shown back as a file; they are kept nowhere, so the page sends them."""
    form = await read_form(request, schemas.CodesForm)
    given = (form.data.codes if form.data else "").split()
    codes = [format_recovery_code(code) for code in map(parse_code, given) if code is not None]
    text = "\r\n".join(["Stempel", _("Recovery codes. Each works once."), "", *codes, ""])
    headers = {"content-disposition": f'attachment; filename="{FILE_NAME}"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


@router.post("/required", dependencies=[member("second_factor.require", api_key=False)])
async def post_required(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Ask everyone in the team for a second factor, or no more."""
    form = await read_form(request, schemas.RequiredForm, convert={"required": yes})
    settings = SecondFactorSettings(required=form.data is not None and form.data.required)
    await set_required(session, principal, settings=settings, now=clock.now())
    on, off = _("From the next sign-in on, everyone needs a second step."), _("The second step is optional.")
    return redirect(request, SECURITY_PATH, flash=on if settings.required else off)
