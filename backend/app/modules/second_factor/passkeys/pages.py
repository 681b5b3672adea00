"""Passkeys on the own account's security page: add, rename, remove."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.kernel.web.present import present_json
from app.modules.accounts.public import confirm_password, get_own_member
from app.modules.second_factor import schemas
from app.modules.second_factor.mails import SECURITY_PATH
from app.modules.second_factor.pages import OWN, codes_page, security_page
from app.modules.second_factor.passkeys.challenges import Asked
from app.modules.second_factor.passkeys.service import begin_adding, finish_adding, rename_passkey
from app.modules.second_factor.service import passkey_added, take_passkey_away

router = APIRouter(prefix=f"{SECURITY_PATH}/passkeys", include_in_schema=False)


def _asked(principal: Any) -> Asked:
    # A question belongs to the session that asked: another browser of the same member cannot answer it.
    return Asked("add", f"{principal.merchant_id}:{principal.id}:{principal.extra['session_id']}")


@router.post("/options", dependencies=[OWN])
async def post_options(
    body: schemas.PasswordForm, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Tell the page's script what to ask the device for, after the password."""
    own = await confirm_password(session, principal, password=body.password, now=clock.now())
    if isinstance(own, Refusal):
        return present_json(own, dict)
    options = await begin_adding(session, own, asked=_asked(principal), now=clock.now())
    return present_json(options, lambda value: value, status=200)


@router.post("", dependencies=[OWN])
async def post_passkey(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep the passkey the device has made, and show recovery codes where it is the first factor."""
    form = await read_form(request, schemas.PasskeyForm)
    own, now = await get_own_member(session, principal), clock.now()
    answer, name = (form.data.credential, form.data.name) if form.data else ("", "")
    made = await finish_adding(
        session, principal, asked=_asked(principal), answer=answer, name=name or _("Passkey"), now=now
    )
    if isinstance(made, Refusal):
        return await security_page(request, session, principal, refusal=made, where="passkeys")
    codes = await passkey_added(session, own, now=now)
    if codes:
        return await codes_page(request, session, codes)
    return redirect(request, SECURITY_PATH, flash=_("The passkey was added."))


@router.post("/{passkey_id}/rename", dependencies=[OWN])
async def post_rename(
    request: Request, passkey_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a passkey another name."""
    form = await read_form(request, schemas.NameForm)
    if form.data is None:
        problem = next(iter(form.errors.values()))
        return await security_page(request, session, principal, where="passkeys", problem=problem)
    await rename_passkey(session, principal, passkey_id, name=form.data.name, now=clock.now())
    return redirect(request, SECURITY_PATH, flash=_("Saved."))


@router.post("/{passkey_id}/remove", dependencies=[OWN])
async def post_remove(
    request: Request, passkey_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Remove a passkey, after the password."""
    form = await read_form(request, schemas.PasswordForm)
    password = form.data.password if form.data else ""
    refusal = await take_passkey_away(session, principal, passkey_id, password=password, now=clock.now())
    if refusal is not None:
        return await security_page(request, session, principal, refusal=refusal, where="passkeys")
    return redirect(request, SECURITY_PATH, flash=_("The passkey was removed."))
