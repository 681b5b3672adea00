"""The second factor on a member's page in the team: the owner takes it away from somebody who lost it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.modules.accounts.public import find_member
from app.modules.second_factor import schemas
from app.modules.second_factor.navigation import TEAM_PATH
from app.modules.second_factor.service import reset_colleague

router = APIRouter(prefix=TEAM_PATH, include_in_schema=False)


@router.post("/{member_id}/second-factor/reset", dependencies=[member("team.edit", api_key=False)])
async def post_reset(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a member's app, passkeys and recovery codes away, after the owner's password."""
    if await find_member(session, principal.merchant_id, member_id) is None:
        raise NotFound("member")
    form = await read_form(request, schemas.PasswordForm)
    back, now = f"{TEAM_PATH}/{member_id}", clock.now()
    if form.data is None:
        return redirect(request, back, flash=_("Please type your password."), kind="danger")
    refusal = await reset_colleague(session, principal, member_id, password=form.data.password, now=now)
    if refusal is not None and refusal.code != "not_found":
        return redirect(request, back, flash=refusal_text(refusal), kind="danger")
    return redirect(request, back, flash=_("They sign in with the password alone now."))
