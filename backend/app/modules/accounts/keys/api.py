"""API keys over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.accounts.keys import schemas
from app.modules.accounts.keys.service import create_api_key, list_api_keys, revoke_api_key, write_key
from app.utils.security import Keyring

router = APIRouter(tags=["Accounts"])


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
