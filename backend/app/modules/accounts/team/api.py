"""The team over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.outcomes import Refusal
from app.kernel.permissions import signed_link
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.accounts.models import Member
from app.modules.accounts.schemas import SessionAnswer
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.api import session_answer
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.team import schemas, service
from app.modules.accounts.team.invitations import (
    InvitationWish,
    accept_invitation,
    invite,
    resend_invitation,
    withdraw_invitation,
)
from app.modules.accounts.team.queries import list_team

router = APIRouter(prefix="/team", tags=["Team"])
EDIT = "team.edit"


@router.get(
    "",
    response_model=schemas.TeamAnswer,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("team.view", api_key=False)],
)
async def get_team(principal: MerchantDep, session: SessionDep) -> schemas.TeamAnswer:
    """List who signs in to the dashboard, and who was invited."""
    team = await list_team(session, principal.merchant_id)
    return schemas.TeamAnswer(
        members=[schemas.MemberRow.from_row(row) for row in team.members],
        invitations=[schemas.ListedInvitation.from_row(row) for row in team.invitations],
    )


@router.post(
    "/invitations",
    status_code=201,
    response_model=schemas.InvitationRow,
    responses=error_responses("unauthenticated", "forbidden", "rate_limited", "key_reused", "plan_limit"),
    dependencies=[member(EDIT, api_key=False)],
)
async def post_invitation(
    body: schemas.InvitationRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Invite somebody by mail; the answer is the same whether or not the address signs in elsewhere."""
    now, wish = clock.now(), InvitationWish(body.email, body.name or "", body.to_place())
    outcome = await answer_once(
        session,
        principal,
        Once("team.invite", key, body.model_dump(mode="json")),
        work=lambda: invite(session, principal, wish, now=now),
        answer=schemas.InvitationRow.from_row,
        now=now,
    )
    return present_json(outcome, lambda row: row)


@router.post(
    "/invitations/{invitation_id}/resend",
    status_code=200,
    response_model=schemas.InvitationRow,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "rate_limited", "key_reused"),
    dependencies=[member(EDIT, api_key=False)],
)
async def post_resend(
    invitation_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Mail an invitation again, with a new link."""
    now = clock.now()
    outcome = await answer_once(
        session,
        principal,
        Once("team.resend", key, {"invitation_id": str(invitation_id)}),
        work=lambda: resend_invitation(session, principal, invitation_id, now=now),
        answer=schemas.InvitationRow.from_row,
        now=now,
    )
    return present_json(outcome, lambda row: row, status=200)


@router.delete(
    "/invitations/{invitation_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member(EDIT, api_key=False)],
)
async def delete_invitation(
    invitation_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take an invitation back."""
    await withdraw_invitation(session, principal, invitation_id, now=clock.now())
    return Response(status_code=204)


@router.post(
    "/invitations/accept",
    status_code=201,
    response_model=SessionAnswer,
    responses=error_responses("link_unusable", "weak_password", "address_taken", "business_closed"),
    dependencies=[signed_link("Join a team"), rate_limit("open_link")],
)
async def post_accept(
    request: Request,
    body: schemas.AcceptRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Join a team with the token of an invitation, once, and sign in. A repeated request is refused."""
    outcome = await accept_invitation(
        session,
        body.token,
        name=body.name or "",
        password=body.password,
        browser=browser_of(request),
        now=clock.now(),
    )
    return with_session(request, present_json(outcome, session_answer), outcome)


@router.put(
    "/members/{member_id}",
    response_model=schemas.MemberRow,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "last_owner"),
    dependencies=[member(EDIT, api_key=False)],
)
async def put_member(
    member_id: UUID,
    body: schemas.PlaceRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give a member a role and stores; in effect with their next request."""
    outcome = await service.change_member(
        session, principal, member_id, place=body.to_place(), now=clock.now()
    )
    return _member(outcome)


def _member(outcome: Member | Refusal) -> Response:
    return present_json(outcome, schemas.MemberRow.from_row, status=200)


@router.post(
    "/members/{member_id}/disable",
    status_code=200,
    response_model=schemas.MemberRow,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "last_owner"),
    dependencies=[member(EDIT, api_key=False)],
)
async def post_disable(
    member_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Close a member's sign-in; their sessions end now. Repeating it changes nothing, with or without a key."""
    return _member(await service.disable_member(session, principal, member_id, now=clock.now()))


@router.post(
    "/members/{member_id}/enable",
    status_code=200,
    response_model=schemas.MemberRow,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "last_owner"),
    dependencies=[member(EDIT, api_key=False)],
)
async def post_enable(
    member_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Open a member's sign-in again. Repeating it changes nothing, with or without a key."""
    return _member(await service.enable_member(session, principal, member_id, now=clock.now()))


@router.delete(
    "/members/{member_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "last_owner", "former_owner"),
    dependencies=[member(EDIT, api_key=False)],
)
async def delete_member(
    member_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a member out of the team."""
    refused = await service.remove_member(session, principal, member_id, now=clock.now())
    return present_json(refused, dict) if refused else Response(status_code=204)


@router.put(
    "/owner",
    status_code=204,
    responses=error_responses(
        "unauthenticated",
        "forbidden",
        "not_found",
        "password_wrong",
        "last_owner",
        "conflict",
        "rate_limited",
    ),
    dependencies=[member(EDIT, api_key=False)],
)
async def put_owner(
    body: schemas.OwnerRequest, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Hand the business over to a member; the owner of until now becomes a manager."""
    refused = await service.hand_over(
        session, principal, body.member_id, password=body.password, now=clock.now()
    )
    return present_json(refused, dict) if refused else Response(status_code=204)
