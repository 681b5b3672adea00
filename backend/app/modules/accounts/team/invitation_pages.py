"""The pages behind an invitation's link."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import signed_link
from app.kernel.web.cookies import delete_cookie, read_cookie
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_in.shown import HOME, form_page, keep_token
from app.modules.accounts.team import schemas
from app.modules.accounts.team.invitations import accept_invitation, find_invitation
from app.modules.accounts.team.presenting import ROLE_NAMES, ROLE_TEXTS

router = APIRouter(prefix="/invitation", include_in_schema=False)
INVITATION_COOKIE = "invitation_link"


@router.get("/link/{token}", dependencies=[signed_link("The link of an invitation; changes nothing")])
async def get_invitation_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return keep_token(request, INVITATION_COOKIE, token=token, target="/invitation")


async def _page(
    request: Request,
    session: AsyncSession,
    form: FormInput[Any] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    token = read_cookie(request, INVITATION_COOKIE) or ""
    found = await find_invitation(session, token, now=request.app.state.clock.now())
    if found is None:
        refused = refusal or Refusal("link_unusable")
        return form_page(request, "accounts/link_unusable.html", refusal=refused)
    words = {"role_name": _(ROLE_NAMES[found.role]), "role_text": _(ROLE_TEXTS[found.role])}
    refusal = refusal or found.refusal
    return form_page(request, "accounts/invitation.html", form, refusal=refusal, invitation=found, **words)


@router.get("", dependencies=[signed_link("The form behind an invitation; changes nothing")])
async def get_invitation(request: Request, session: SessionDep) -> Response:
    """Show who invites, and ask for a password."""
    return await _page(request, session)


@router.post("", dependencies=[signed_link("Join a team"), rate_limit("open_link")])
async def post_invitation_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Join the team, once, and go to the dashboard."""
    form = await read_form(request, schemas.AcceptForm)
    if form.data is None:
        return await _page(request, session, form)
    token, browser = read_cookie(request, INVITATION_COOKIE) or "", browser_of(request)
    name, password = form.data.name or "", form.data.password
    outcome = await accept_invitation(
        session, token, name=name, password=password, browser=browser, now=clock.now()
    )
    if isinstance(outcome, Refusal):
        return await _page(request, session, form, outcome)
    response = redirect(request, HOME, flash=_("Welcome to the team!"))
    delete_cookie(request, response, INVITATION_COOKIE)
    return with_session(request, response, outcome)
