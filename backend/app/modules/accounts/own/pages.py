"""The member's own account: name, address, password, and where they are signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import page_context_of, render_member_page, render_panels
from app.modules.accounts.hooks import ACCOUNT_PANEL, Undone
from app.modules.accounts.own import schemas
from app.modules.accounts.own.address import request_address
from app.modules.accounts.own.service import change_name, change_password, get_own_member
from app.modules.accounts.own.taken_back import list_taken_back
from app.modules.accounts.passwords import weakness_text
from app.modules.accounts.rules import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from app.modules.accounts.signing_in.sessions import list_sessions, revoke_sessions
from app.modules.accounts.team.presenting import ROLE_NAMES, ROLE_TEXTS
from app.modules.merchants.public import get_merchant

router = APIRouter(prefix="/dashboard", include_in_schema=False)
ACCOUNT = "/dashboard/account"
# For so long the account's page shows what an alarm has taken back.
TAKEN_BACK_SHOWN = timedelta(days=30)
# Which field of which form a refusal belongs to.
FIELDS = {"password_wrong": "current_password", "weak_password": "password"}


async def _account_page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    part: str = "",
    form: FormInput[Any] | None = None,
) -> Response:
    own = await get_own_member(session, principal)
    values = {"name": own.name, "email": ""}
    page = page_context_of(request, session)
    merchant_id = principal.merchant_id
    typed = {name: text for name, text in (form.values if form else {}).items() if "password" not in name}
    context = {
        "page_title": _("My account"),
        "page_text": _("How you sign in to %(name)s.", name=own.merchant_name),
        "own": own,
        "taken_back": await list_taken_back(
            session, merchant_id, member_id=own.id, since=page.now - TAKEN_BACK_SHOWN
        ),
        "words_of": lambda entry: _(Undone.WORDS[entry.action]),
        "time_zone": own.time_zone,
        "may_see_audit": principal.may("audit.view"),
        "panels": render_panels(request, await ACCOUNT_PANEL.gather(page)),
        "role_name": _(ROLE_NAMES[own.role]),
        "role_text": _(ROLE_TEXTS[own.role]),
        "values": {**values, **typed},
        "errors": {part: form.errors} if form else {},
        "password_length": PASSWORD_LENGTH_MIN,
        "password_length_max": PASSWORD_LENGTH_MAX,
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "accounts/account.html", context, status_code=status)


def _refuse(form: FormInput[Any], refusal: Refusal | None, *, otherwise: str) -> None:
    if refusal is not None:
        text = weakness_text(refusal) if refusal.code == "weak_password" else refusal_text(refusal)
        form.errors[FIELDS.get(refusal.code, otherwise)] = text


@router.get("/account", dependencies=[member("members.view", api_key=False)])
async def get_account_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the own account."""
    return await _account_page(request, session, principal)


@router.post("/account", dependencies=[member("members.view", api_key=False)])
async def post_name(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Change how the team calls you."""
    form = await read_form(request, schemas.NameRequest)
    if form.data is None:
        return await _account_page(request, session, principal, part="name", form=form)
    await change_name(session, principal, name=form.data.name, now=clock.now())
    return redirect(request, ACCOUNT, flash=_("Saved."))


@router.post("/account/password", dependencies=[member("members.view", api_key=False)])
async def post_password(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Change the password; every other session ends."""
    form = await read_form(request, schemas.PasswordChange)
    if form.data is not None:
        old, new = form.data.current_password, form.data.password
        refused = await change_password(session, principal, old=old, new=new, now=clock.now())
        _refuse(form, refused, otherwise="current_password")
    if form.errors:
        return await _account_page(request, session, principal, part="password", form=form)
    flash = _("Your new password is set. All other sessions were ended.")
    return redirect(request, ACCOUNT, flash=flash)


@router.post("/account/email", dependencies=[member("members.view", api_key=False)])
async def post_address(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Ask for another sign-in address."""
    form = await read_form(request, schemas.AddressChange)
    if form.data is not None:
        email, password = form.data.email, form.data.current_password
        refused = await request_address(session, principal, email=email, password=password, now=clock.now())
        _refuse(form, refused, otherwise="email")
    if form.errors:
        return await _account_page(request, session, principal, part="email", form=form)
    return redirect(request, ACCOUNT, flash=_("Look in the new mailbox: the link there confirms it."))


@router.get("/sessions", dependencies=[member("members.view", api_key=False)])
async def get_sessions_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """List the own open sessions."""
    rows = await list_sessions(session, principal, now=clock.now())
    merchant = await get_merchant(session, principal.merchant_id)
    context = {
        "page_title": _("My sessions"),
        "page_text": _("Where you are signed in. End what you do not recognise, then choose a new password."),
        "sessions": rows,
        "current_id": principal.extra.get("session_id"),
        "time_zone": merchant.time_zone,
    }
    return await render_member_page(request, session, "accounts/sessions.html", context)


@router.post("/sessions/end-others", dependencies=[member("members.view", api_key=False)])
async def post_end_other_sessions(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End every own session but this one."""
    await revoke_sessions(session, principal, keep=principal.extra["session_id"], now=clock.now())
    return redirect(request, "/dashboard/sessions", flash=_("All other sessions were ended."))


@router.post("/sessions/{session_id}/end", dependencies=[member("members.view", api_key=False)])
async def post_end_session(
    request: Request, session_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End one of the own sessions."""
    if not await revoke_sessions(session, principal, session_id=session_id, now=clock.now()):
        raise NotFound("session")
    return redirect(request, "/dashboard/sessions", flash=_("The session was ended."))
