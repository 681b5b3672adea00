"""Accounts over HTTP: sign-up, sessions, password reset, API keys, the business itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.cookies import delete_cookie, set_cookie
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import json_response, present_json
from app.kernel.web.problems import error_responses
from app.kernel.web.proxies import address_key, client_address
from app.modules.merchants import schemas
from app.modules.merchants.api_keys import create_api_key, list_api_keys, revoke_api_key, write_key
from app.modules.merchants.mails import request_reset, request_sign_up
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.merchants.rules import SESSION_LIFETIME
from app.modules.merchants.service import SignUpWish, change_merchant
from app.modules.merchants.sign_in import (
    SESSION_COOKIE,
    Credentials,
    SignedIn,
    finish_reset,
    list_sessions,
    revoke_sessions,
    sign_in,
)
from app.modules.merchants.sign_up import finish_and_sign_in
from app.utils.security import Keyring

router = APIRouter(tags=["Accounts"])


def with_session(request: Request, response: Response, outcome: SignedIn | Refusal) -> Response:
    """Put the cookie of an opened session on the answer."""
    if isinstance(outcome, SignedIn):
        set_cookie(request, response, SESSION_COOKIE, outcome.token, max_age=SESSION_LIFETIME)
    return response


def _session_answer(opened: SignedIn) -> schemas.SessionAnswer:
    return schemas.SessionAnswer(session_id=opened.session_id, merchant_id=opened.merchant_id)


@router.post(
    "/merchants",
    status_code=202,
    response_model=schemas.SignUpAnswer,
    responses=error_responses("weak_password", "sign_up_closed"),
    dependencies=[public("Ask for an account; the mailbox decides"), rate_limit("sign_up")],
)
async def post_merchant(
    body: schemas.SignUpRequest, session: SessionDep, clock: ClockDep, key: IdempotencyHeader = None
) -> Response:
    """Sign up: the link in the mail finishes it. Known and unknown addresses get the same answer."""
    wish = SignUpWish(body.name, body.email, body.password, body.locale or current().language, key or "")
    outcome = await request_sign_up(session, wish, now=clock.now())
    return present_json(
        outcome, lambda _none: schemas.SignUpAnswer(status="look_in_your_mailbox"), status=202
    )


@router.post(
    "/merchants/confirm",
    status_code=201,
    response_model=schemas.SessionAnswer,
    responses=error_responses("link_unusable"),
    dependencies=[signed_link("Finish a sign-up"), rate_limit("open_link")],
)
async def post_confirm(
    request: Request,
    body: schemas.ConfirmRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Finish a sign-up with the token of its mail, once, and sign in. A repeated request is refused."""
    outcome = await finish_and_sign_in(session, body.token, now=clock.now())
    return with_session(request, present_json(outcome, _session_answer), outcome)


@router.post(
    "/sessions",
    status_code=201,
    response_model=schemas.SessionAnswer,
    responses=error_responses("sign_in_failed"),
    dependencies=[public("Sign in")],
)
async def post_session(
    request: Request,
    body: schemas.SignInRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Sign in and get the session cookie. A repeated request opens another session."""
    credentials = Credentials(body.email.strip(), body.password, address_key(client_address(request)))
    outcome = await sign_in(session, credentials, now=clock.now())
    return with_session(request, present_json(outcome, _session_answer), outcome)


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
    response_model=schemas.SignUpAnswer,
    responses=error_responses(),
    dependencies=[public("Ask for a link to choose a new password"), rate_limit("reset")],
)
async def post_reset(
    body: schemas.ResetRequest, session: SessionDep, clock: ClockDep, key: IdempotencyHeader = None
) -> Response:
    """Mail a single-use link. Known and unknown addresses get the same answer."""
    await request_reset(session, body.email, locale=current().language, now=clock.now())
    return json_response(schemas.SignUpAnswer(status="look_in_your_mailbox"), status=202)


@router.post(
    "/password-resets/confirm",
    status_code=201,
    response_model=schemas.SessionAnswer,
    responses=error_responses("link_unusable", "weak_password"),
    dependencies=[signed_link("Choose a new password"), rate_limit("open_link")],
)
async def post_new_password(
    request: Request,
    body: schemas.NewPasswordRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Set the new password, once, end every other session and sign in."""
    outcome = await finish_reset(session, body.token, password=body.password, now=clock.now())
    return with_session(request, present_json(outcome, _session_answer), outcome)


@router.get(
    "/api-keys",
    response_model=schemas.ApiKeyList,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("api_keys.edit", api_key=False)],
)
async def get_api_keys(principal: MerchantDep, session: SessionDep) -> schemas.ApiKeyList:
    """List the API keys; secrets are never shown again."""
    rows = await list_api_keys(session, principal.merchant_id)
    return schemas.ApiKeyList(api_keys=[schemas.ApiKeyRow.from_row(row) for row in rows])


@router.post(
    "/api-keys",
    status_code=201,
    response_model=schemas.ApiKeyMade,
    responses=error_responses("unauthenticated", "forbidden", "key_reused"),
    dependencies=[member("api_keys.edit", api_key=False)],
)
async def post_api_key(
    body: schemas.ApiKeyRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Make an API key; the answer is the only place that shows it."""
    now = clock.now()
    outcome = await answer_once(
        session,
        principal,
        Once("api_keys.create", key, body.model_dump(mode="json")),
        work=lambda: create_api_key(
            session, principal, name=body.name, scopes=frozenset(body.scopes), now=now
        ),
        answer=schemas.ApiKeyRow.from_row,
        now=now,
    )
    return _with_key(session, principal.merchant_id, outcome)


def _with_key(session: Any, merchant_id: UUID, outcome: Any) -> Response:
    # The stored answer holds no secret: the key is derived again for the one who made it.
    row = outcome.answer if isinstance(outcome, Replay) else outcome
    if isinstance(row, Refusal):
        return present_json(row, dict)
    shown = write_key(resources_of(session).get(Keyring), merchant_id, UUID(row["id"]))
    made = {**row, "key": shown}
    return present_json(Replay(made) if isinstance(outcome, Replay) else made, lambda value: value)


@router.delete(
    "/api-keys/{key_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("api_keys.edit", api_key=False)],
)
async def delete_api_key(
    key_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Revoke an API key at once."""
    await revoke_api_key(session, principal, key_id, now=clock.now())
    return Response(status_code=204)


def _details(view: MerchantView) -> schemas.MerchantDetails:
    return schemas.MerchantDetails(
        **{name: getattr(view, name) for name in schemas.MerchantDetails.model_fields}
    )


@router.get(
    "/merchants/current",
    response_model=schemas.MerchantDetails,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def get_current_merchant(principal: MerchantDep, session: SessionDep) -> schemas.MerchantDetails:
    """Show the own business."""
    return _details(await get_merchant(session, principal.merchant_id))


@router.patch(
    "/merchants/current",
    response_model=schemas.MerchantDetails,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("merchant.edit", api_key=False)],
)
async def patch_current_merchant(
    body: schemas.MerchantChanges, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> schemas.MerchantDetails:
    """Change name, language, time zone, currency or colours."""
    await change_merchant(session, principal, body.to_changes(), now=clock.now())
    return _details(await get_merchant(session, principal.merchant_id))
