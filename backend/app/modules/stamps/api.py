"""POST /stamp/{store_id}, the seed's path. The award itself is the use case of visits."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.permissions import staff_pin
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.problems import error_responses
from app.modules.visits.public import AWARD_ERRORS, AwardAnswer, StampRequest, TillRoute, answer_award

router = APIRouter(tags=["At the till"], route_class=TillRoute)


@router.post(
    "/stamp/{store_id}",
    status_code=201,
    response_model=AwardAnswer,
    responses=error_responses(*AWARD_ERRORS, "too_soon", "card_full"),
    dependencies=[staff_pin("Give stamps", api_scope="stamps.give")],
)
async def post_stamp(
    request: Request,
    store: StoreDep,
    body: StampRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Give one stamp, or as many as `quantity` says and the programme allows in one visit."""
    return await answer_award(
        request, session, store, clock, route="stamp", scope="stamps.give", card=body.pass_id,
        quantity=body.quantity, amount=None, staff_pin=body.staff_pin, idempotency_key=key,
    )  # fmt: skip
