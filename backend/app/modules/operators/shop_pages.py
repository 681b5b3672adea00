"""Shops and how much they use; invitations to sign up."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.web.cookies import settings_of
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.modules.accounts.public import (
    invite_to_sign_up,
    list_sign_up_invitations,
    withdraw_sign_up_invitation,
)
from app.modules.operators.access import OperatorDep, look_of, operator_page, signed_in
from app.modules.operators.journal import record_entry
from app.modules.operators.looking.shops import USAGE_DAYS, list_shops
from app.modules.operators.presenting import invitation_rows
from app.modules.operators.schemas import InvitationForm
from app.utils.security import new_token

router = APIRouter(include_in_schema=False, prefix="/operator")
INVITATIONS = "/operator/invitations"


@router.get("/shops", dependencies=[signed_in()])
async def get_shops(request: Request, q: str = "", after: UUID | None = None) -> Response:
    """Show the shops by name, with counts."""
    look = look_of(request)
    page = await list_shops(look.database, q=q, after=after, now=look.now)
    more = {"q": q, "after": page.next_id}
    context = {
        "page_title": _("Shops"),
        "page_text": _("Counts only. What a shop and its customers wrote stays with the shop."),
        "page": page,
        "q": q,
        "days": USAGE_DAYS,
        "next_url": f"/operator/shops?{urlencode(more)}" if page.next_id else None,
    }
    return operator_page(request, "operators/shops.html", context)


async def _invitations_page(
    request: Request, session: SessionDep, *, form: FormInput[InvitationForm] | None = None, link: str = ""
) -> Response:
    settings, rows = settings_of(request), await list_sign_up_invitations(session)
    context = {
        "page_title": _("Invitations"),
        "mode": settings.sign_up,
        "has_mail": bool(settings.smtp_url or settings.demo),
        "rows": invitation_rows(rows, now=request.app.state.clock.now()),
        "link": settings.public_url.rstrip("/") + link if link else "",
        "form_key": new_token(),
        "note": form.values.get("note", "") if form else "",
        "errors": form.errors if form else {},
    }
    status = 422 if form is not None and form.errors else 200
    return operator_page(request, "operators/invitations.html", context, status_code=status)


@router.get("/invitations", dependencies=[signed_in()])
async def get_invitations(request: Request, session: SessionDep) -> Response:
    """Show who may sign up, and the invitations."""
    return await _invitations_page(request, session)


@router.post("/invitations", dependencies=[signed_in()])
async def post_invitation(
    request: Request, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make an invitation and show its link, this once."""
    form = await read_form(request, InvitationForm)
    if form.data is None:
        return await _invitations_page(request, session, form=form)
    wish = {"note": form.data.note, "made_by": operator.name, "key": form.key or ""}
    link = await invite_to_sign_up(session, **wish, now=clock.now())
    if link is None:
        return redirect(request, INVITATIONS, flash=_("This invitation was made already."), kind="info")
    record_entry(session, operator.name, action="invitation.made", now=clock.now())
    return await _invitations_page(request, session, link=link)


@router.post("/invitations/{invitation_id}/withdraw", dependencies=[signed_in()])
async def post_withdraw(
    request: Request, invitation_id: UUID, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End an invitation that nobody has used."""
    done = await withdraw_sign_up_invitation(session, invitation_id, now=clock.now())
    if done:
        record_entry(session, operator.name, action="invitation.withdrawn", now=clock.now())
    text = _("The invitation is withdrawn.") if done else _("This invitation was used or withdrawn already.")
    return redirect(request, INVITATIONS, flash=text, kind="ok" if done else "info")
