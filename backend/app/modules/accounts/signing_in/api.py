"""Sessions and the reset of a password over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.cookies import delete_cookie
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import json_response, present_json
from app.kernel.web.problems import error_responses
from app.modules.accounts.schemas import MailAnswer, SessionAnswer
from app.modules.accounts.signing_in import schemas
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_in.half import HalfSignedIn
from app.modules.accounts.signing_in.resets import finish_reset, request_reset
from app.modules.accounts.signing_in.service import Credentials, sign_in_at_once
from app.modules.accounts.signing_in.sessions import (
    SESSION_COOKIE,
    SignedIn,
    list_sessions,
    revoke_sessions,
)

router = APIRouter(tags=["Accounts"])


def session_answer(opened: SignedIn) -> SessionAnswer:
    """Return what the JSON of an opened session says; its secret is in the cookie only."""
    return SessionAnswer(session_id=opened.session_id, merchant_id=opened.merchant_id)


@router.post(
    "/sessions",
    status_code=201,
    response_model=SessionAnswer,
    responses=error_responses("sign_in_failed", "totp_required", "unauthenticated"),
    dependencies=[public("Sign in")],
)
async def post_session(
    request: Request,
    body: schemas.SignInRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Sign in and get the session cookie. A repeated request opens another session: its cookie is never kept."""
    credentials = Credentials(body.email.strip(), body.password, browser_of(request))
    outcome = await sign_in_at_once(session, credentials, code=body.totp, now=clock.now())
    return with_session(request, present_json(outcome, session_answer), outcome)


@router.get(
    "/sessions",
    response_model=schemas.SessionList,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def get_sessions(principal: MerchantDep, session: SessionDep, clock: ClockDep) -> schemas.SessionList:
    """List the own open sessions."""
    rows = await list_sessions(session, principal, now=clock.now())
    own = principal.extra.get("session_id")
    return schemas.SessionList(sessions=[schemas.SessionRow.from_row(row, current_id=own) for row in rows])


@router.delete(
    "/sessions",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def delete_other_sessions(principal: MerchantDep, session: SessionDep, clock: ClockDep) -> Response:
    """End every own session but this one."""
    await revoke_sessions(session, principal, keep=principal.extra["session_id"], now=clock.now())
    return Response(status_code=204)


@router.delete(
    "/sessions/current",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def delete_current_session(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Sign out."""
    await revoke_sessions(session, principal, session_id=principal.extra["session_id"], now=clock.now())
    response = Response(status_code=204)
    delete_cookie(request, response, SESSION_COOKIE)
    return response


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("members.view", api_key=False)],
)
async def delete_session(
    session_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End one of the own sessions."""
    if not await revoke_sessions(session, principal, session_id=session_id, now=clock.now()):
        raise NotFound("session")
    return Response(status_code=204)


@router.post(
    "/password-resets",
    status_code=202,
    response_model=MailAnswer,
    responses=error_responses(),
    dependencies=[public("Ask for a link to choose a new password"), rate_limit("reset")],
)
async def post_reset(
    body: schemas.ResetRequest, session: SessionDep, clock: ClockDep, key: IdempotencyHeader = None
) -> Response:
    """Mail a single-use link. Known and unknown addresses get the same answer; repeating it sends another mail."""
    await request_reset(session, body.email, locale=current().language, now=clock.now())
    return json_response(MailAnswer(status="look_in_your_mailbox"), status=202)


@router.post(
    "/password-resets/confirm",
    status_code=201,
    response_model=SessionAnswer,
    responses=error_responses("link_unusable", "weak_password", "totp_required"),
    dependencies=[signed_link("Choose a new password"), rate_limit("open_link")],
)
async def post_new_password(
    request: Request,
    body: schemas.NewPasswordRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Set the new password, once, end every other session and sign in, unless a second factor is asked for."""
    outcome = await finish_reset(
        session, body.token, password=body.password, browser=browser_of(request), now=clock.now()
    )
    # The password is set all the same: a caller with a code goes on with POST /sessions.
    shown = Refusal("totp_required") if isinstance(outcome, HalfSignedIn) else outcome
    return with_session(request, present_json(shown, session_answer), shown)
