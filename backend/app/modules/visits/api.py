"""Taking a visit back, over HTTP. Giving one is at the seed's paths: stamps/api.py and points/api.py."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.permissions import staff_pin
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.rewards.public import (
    PIN_ERRORS,
    VoidAnswer,
    VoidRequest,
    present_void,
    read_void,
)
from app.modules.visits.undo import void_visit

router = APIRouter(tags=["At the till"])


@router.post(
    "/visits/{visit_id}/void",
    status_code=201,
    response_model=VoidAnswer,
    responses=error_responses(
        *PIN_ERRORS, "already_voided", "already_spent", "void_too_late", "manager_required", "key_reused"
    ),
    dependencies=[staff_pin("Take a visit back", api_scope="visits.void")],
)
async def post_void_visit(
    request: Request,
    visit_id: UUID,
    body: VoidRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Take a visit back: staff the last one for 15 minutes, managers any time. Repeating it changes nothing."""
    store, command = await read_void(request, session, visit_id, body, idempotency_key=key)
    return present_json(await void_visit(session, store, command, now=clock.now()), present_void)
