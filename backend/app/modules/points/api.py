"""POST /points/{store_id}, the seed's path. The award itself is the use case of visits."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.permissions import staff_pin
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.problems import error_responses
from app.modules.visits.public import AWARD_ERRORS, AwardAnswer, PointsRequest, TillRoute, answer_award

router = APIRouter(tags=["At the till"], route_class=TillRoute)


@router.post(
    "/points/{store_id}",
    status_code=201,
    response_model=AwardAnswer,
    responses=error_responses(*AWARD_ERRORS),
    dependencies=[staff_pin("Give points for a purchase", api_scope="points.give")],
)
async def post_points(
    request: Request,
    store: StoreDep,
    body: PointsRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Give points for a purchase; at a hybrid shop one stamp comes along, or `stamp_refused` says why not."""
    return await answer_award(
        request, session, store, clock, route="points", scope="points.give", card=body.pass_id,
        quantity=0, amount=body.amount, staff_pin=body.staff_pin, idempotency_key=key, tenders=body.tenders,
    )  # fmt: skip
