"""The member's own account: where they are signed in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.accounts.signing_in.sessions import list_sessions, revoke_sessions
from app.modules.merchants.public import get_merchant

router = APIRouter(prefix="/dashboard", include_in_schema=False)


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
