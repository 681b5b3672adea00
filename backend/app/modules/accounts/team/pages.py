"""The dashboard's pages of the team: who signs in, invitations, one member."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form, text_or_none
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import page_context_of, render_member_page, render_panels
from app.modules.accounts.hooks import MEMBER_PANEL
from app.modules.accounts.team import schemas, service
from app.modules.accounts.team.invitations import (
    InvitationWish,
    invite,
    resend_invitation,
    withdraw_invitation,
)
from app.modules.accounts.team.presenting import ROLE_NAMES, ROLE_TEXTS, invitation_rows, member_rows
from app.modules.accounts.team.queries import list_staff_choices, list_store_choices, list_team
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import new_id

router = APIRouter(prefix="/dashboard/team", include_in_schema=False)
HOME = "/dashboard/team"
EDIT = "team.edit"


async def _choices(session: AsyncSession, merchant_id: UUID) -> dict[str, Any]:
    return {
        "roles": [
            {"value": name, "label": _(title), "text": _(ROLE_TEXTS[name])}
            for name, title in ROLE_NAMES.items()
            if name != "owner"
        ],
        "stores": await list_store_choices(session, merchant_id),
        "people": [("", _("Nobody at the till"))]
        + [(str(person.id), person.name) for person in await list_staff_choices(session, merchant_id)],
    }


async def _team_page(
    request: Request, session: AsyncSession, principal: Principal, form: FormInput[Any] | None = None
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    team = await list_team(session, principal.merchant_id)
    choices = await _choices(session, principal.merchant_id)
    names = {store.id: store.name for store in choices["stores"]}
    now = request.app.state.clock.now()
    context = {
        **choices,
        "page_title": _("Team"),
        "page_text": _("Who signs in to this dashboard, and what each may do."),
        "members": member_rows(team.members, viewer_id=principal.id, store_names=names),
        "invitations": invitation_rows(team.invitations, store_names=names, now=now),
        "may_edit": principal.may(EDIT),
        "values": form.values if form and form.errors else {"role": "manager"},
        "errors": form.errors if form else {},
        "idempotency_key": new_id(),
        "time_zone": merchant.time_zone,
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "accounts/team.html", context, status_code=status)


@router.get("", dependencies=[member("team.view", api_key=False)])
async def get_team_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """List the team and its invitations."""
    return await _team_page(request, session, principal)


@router.post("", dependencies=[member(EDIT, api_key=False)])
async def post_team_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Invite somebody; the form sent twice invites once."""
    form = await read_form(
        request, schemas.InvitationRequest, convert={"staff_id": text_or_none}, lists=("store_ids",)
    )
    await _invite(session, principal, form, now=clock.now())
    if form.errors:
        return await _team_page(request, session, principal, form)
    return redirect(request, HOME, flash=_("The invitation is on its way."))


async def _invite(session: AsyncSession, principal: Principal, form: FormInput[Any], *, now: Any) -> None:
    if form.data is None:
        return
    data = form.data
    wish = InvitationWish(data.email, data.name or "", data.to_place())
    try:
        outcome = await answer_once(
            session,
            principal,
            Once("team.invite", form.key, data.model_dump(mode="json")),
            work=lambda: invite(session, principal, wish, now=now),
            answer=schemas.InvitationRow.from_row,
            now=now,
        )
    except Invalid as error:
        form.refuse(error)
        return
    if isinstance(outcome, Refusal):
        form.errors["email"] = refusal_text(outcome)


@router.post("/invitations/{invitation_id}/resend", dependencies=[member(EDIT, api_key=False)])
async def post_resend_form(
    request: Request, invitation_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Mail an invitation again."""
    outcome = await resend_invitation(session, principal, invitation_id, now=clock.now())
    if isinstance(outcome, Refusal):
        return redirect(request, HOME, flash=refusal_text(outcome), kind="danger")
    return redirect(request, HOME, flash=_("The invitation was sent again; the link before is closed."))


@router.post("/invitations/{invitation_id}/withdraw", dependencies=[member(EDIT, api_key=False)])
async def post_withdraw_form(
    request: Request, invitation_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take an invitation back."""
    await withdraw_invitation(session, principal, invitation_id, now=clock.now())
    return redirect(request, HOME, flash=_("The invitation was withdrawn."))


async def _member_page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    member_id: UUID,
    *,
    form: FormInput[Any] | None = None,
) -> Response:
    team = await list_team(session, principal.merchant_id)
    found = next((row for row in team.members if row.id == member_id), None)
    if found is None or found.role == "owner":
        raise NotFound("member")
    stored = {
        "role": found.role,
        "store_ids": [str(store_id) for store_id in found.store_ids],
        "staff_id": str(found.staff_id or ""),
    }
    page = replace(page_context_of(request, session), subject_id=member_id)
    context = {
        **await _choices(session, principal.merchant_id),
        "panels": render_panels(request, await MEMBER_PANEL.gather(page)),
        "page_title": found.name or found.email,
        "page_text": found.email if found.name else "",
        "back_url": HOME,
        "back_label": _("Team"),
        "row": found,
        "may_hand_over": principal.may(EDIT) and found.disabled_at is None,
        "values": {**stored, **form.values} if form else stored,
        "errors": form.errors if form else {},
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "accounts/member.html", context, status_code=status)


@router.get("/{member_id}", dependencies=[member(EDIT, api_key=False)])
async def get_member_page(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep
) -> Response:
    """Show what a member may do."""
    return await _member_page(request, session, principal, member_id)


@router.post("/{member_id}", dependencies=[member(EDIT, api_key=False)])
async def post_member_page(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a member another role or other stores."""
    form = await read_form(
        request, schemas.PlaceRequest, convert={"staff_id": text_or_none}, lists=("store_ids",)
    )
    outcome: object = None
    if form.data is not None:
        place = form.data.to_place()
        try:
            outcome = await service.change_member(session, principal, member_id, place=place, now=clock.now())
        except Invalid as error:
            form.refuse(error)
    if form.errors:
        return await _member_page(request, session, principal, member_id, form=form)
    return _said(request, outcome, _("Saved. It is in effect with their next click."))


@router.post("/{member_id}/disable", dependencies=[member(EDIT, api_key=False)])
async def post_disable_form(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Close a member's sign-in."""
    outcome = await service.disable_member(session, principal, member_id, now=clock.now())
    return _said(request, outcome, _("Their sign-in is closed and their sessions have ended."))


@router.post("/{member_id}/enable", dependencies=[member(EDIT, api_key=False)])
async def post_enable_form(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Open a member's sign-in again."""
    outcome = await service.enable_member(session, principal, member_id, now=clock.now())
    return _said(request, outcome, _("They can sign in again."))


@router.post("/{member_id}/remove", dependencies=[member(EDIT, api_key=False)])
async def post_remove_form(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a member out of the team."""
    outcome = await service.remove_member(session, principal, member_id, now=clock.now())
    return _said(request, outcome, _("They are no longer in the team."))


def _said(request: Request, outcome: object, text: str) -> Response:
    if isinstance(outcome, Refusal):
        return redirect(request, HOME, flash=refusal_text(outcome), kind="danger")
    return redirect(request, HOME, flash=text)


@router.post("/{member_id}/hand-over", dependencies=[member(EDIT, api_key=False)])
async def post_hand_over_form(
    request: Request, member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Hand the business over to a member."""
    form = await read_form(request, schemas.OwnerForm)
    password = form.data.password if form.data else ""
    outcome = await service.hand_over(session, principal, member_id, password=password, now=clock.now())
    if isinstance(outcome, Refusal):
        shown: FormInput[Any] = FormInput({}, None, {"password": refusal_text(outcome)})
        return await _member_page(request, session, principal, member_id, form=shown)
    return redirect(request, HOME, flash=_("The business is handed over. You are a manager now."))
