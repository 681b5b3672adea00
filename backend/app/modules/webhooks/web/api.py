"""Webhooks over HTTP."""

from __future__ import annotations

import json
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.webhooks import deliveries, endpoints
from app.modules.webhooks.rules import EVENTS, write_body
from app.modules.webhooks.web import schemas
from app.modules.webhooks.web.told import callbacks
from app.modules.webhooks.words import EVENT_WORDS, example_of

router = APIRouter(prefix="/webhooks", tags=["Webhooks"])
VIEW, EDIT = member("webhooks.view"), member("webhooks.edit")
ERRORS = error_responses("unauthenticated", "forbidden", "not_found")
EDIT_ERRORS = error_responses("unauthenticated", "forbidden", "not_found", "endpoint_off", "key_reused")


@router.get(
    "/events",
    response_model=schemas.EventKinds,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[VIEW],
)
async def get_events() -> schemas.EventKinds:
    """List everything that can be told, each with an example of its body."""
    kinds = [
        schemas.EventKind(type=name, about=_(EVENT_WORDS[name]), example=example_of(name)) for name in EVENTS
    ]
    return schemas.EventKinds(events=kinds)


@router.get(
    "/endpoints",
    response_model=schemas.EndpointList,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[VIEW],
)
async def get_endpoints(principal: MerchantDep, session: SessionDep) -> schemas.EndpointList:
    """List the addresses that are told; secrets are never shown again."""
    rows = await endpoints.list_endpoints(session, principal.merchant_id)
    return schemas.EndpointList(endpoints=[schemas.EndpointRow.from_row(row) for row in rows])


@router.post(
    "/endpoints",
    status_code=201,
    response_model=schemas.EndpointMade,
    responses=error_responses("unauthenticated", "forbidden", "key_reused"),
    callbacks=callbacks.routes,
    dependencies=[EDIT],
)
async def post_endpoint(
    body: schemas.EndpointRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Make an address; the answer is the only place that shows its secret."""
    now = clock.now()
    outcome = await answer_once(
        session,
        principal,
        Once("webhooks.create", key, body.model_dump(mode="json")),
        work=lambda: endpoints.create_endpoint(session, principal, body.draft(), now=now),
        answer=schemas.EndpointRow.from_row,
        now=now,
    )
    return await _with_secret(session, principal.merchant_id, outcome, now=now)


async def _with_secret(session: AsyncSession, merchant_id: UUID, outcome: Any, *, now: Any) -> Response:
    # The stored answer holds no secret: it is opened again for the one who made it.
    row = outcome.answer if isinstance(outcome, Replay) else outcome
    if isinstance(row, Refusal):
        return present_json(row, dict)
    point = await endpoints.get_endpoint(session, merchant_id, UUID(str(row["id"])))
    made = {**row, "secret": endpoints.write_secret(session, point, now=now)}
    return present_json(Replay(made) if isinstance(outcome, Replay) else made, lambda value: value)


@router.get(
    "/endpoints/{endpoint_id}", response_model=schemas.EndpointRow, responses=ERRORS, dependencies=[VIEW]
)
async def get_endpoint(endpoint_id: UUID, principal: MerchantDep, session: SessionDep) -> schemas.EndpointRow:
    """Show an address."""
    row = await endpoints.get_endpoint(session, principal.merchant_id, endpoint_id)
    return schemas.EndpointRow.from_row(row)


@router.put(
    "/endpoints/{endpoint_id}", response_model=schemas.EndpointRow, responses=ERRORS, dependencies=[EDIT]
)
async def put_endpoint(
    endpoint_id: UUID,
    body: schemas.EndpointRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> schemas.EndpointRow:
    """Change where and what is told."""
    row = await endpoints.change_endpoint(session, principal, endpoint_id, body.draft(), now=clock.now())
    return schemas.EndpointRow.from_row(row)


@router.delete("/endpoints/{endpoint_id}", status_code=204, responses=ERRORS, dependencies=[EDIT])
async def delete_endpoint(
    endpoint_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take an address away with its log."""
    await endpoints.delete_endpoint(session, principal, endpoint_id, now=clock.now())
    return Response(status_code=204)


@router.post(
    "/endpoints/{endpoint_id}/switch",
    response_model=schemas.EndpointRow,
    responses=ERRORS,
    dependencies=[EDIT],
)
async def post_switch(
    endpoint_id: UUID,
    body: schemas.SwitchRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> schemas.EndpointRow:
    """Switch an address on or off; what waits for one that is off has failed."""
    row = await endpoints.switch_endpoint(session, principal, endpoint_id, is_on=body.is_on, now=clock.now())
    return schemas.EndpointRow.from_row(row)


@router.post(
    "/endpoints/{endpoint_id}/secret",
    status_code=201,
    response_model=schemas.EndpointMade,
    responses=EDIT_ERRORS,
    dependencies=[EDIT],
)
async def post_secret(
    endpoint_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Make a new secret; the one before signs beside it for a day."""
    now = clock.now()
    outcome = await answer_once(
        session,
        principal,
        Once("webhooks.secret", key, {"endpoint_id": str(endpoint_id)}),
        work=lambda: endpoints.rotate_secret(session, principal, endpoint_id, now=now),
        answer=schemas.EndpointRow.from_row,
        now=now,
    )
    return await _with_secret(session, principal.merchant_id, outcome, now=now)


@router.post(
    "/endpoints/{endpoint_id}/test",
    status_code=201,
    response_model=schemas.TestSent,
    responses=EDIT_ERRORS,
    dependencies=[EDIT],
)
async def post_test(
    endpoint_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Send a test event to this address."""
    outcome = await deliveries.send_test(session, principal, endpoint_id, now=clock.now())
    return present_json(outcome, lambda made: schemas.TestSent(delivery_id=made))


@router.get(
    "/endpoints/{endpoint_id}/deliveries",
    response_model=schemas.DeliveryPage,
    responses=ERRORS,
    dependencies=[VIEW],
)
async def get_deliveries(
    endpoint_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    status: Literal["waiting", "delivered", "failed"] | None = None,
    before: UUID | None = None,
) -> schemas.DeliveryPage:
    """List what was told, newest first."""
    await endpoints.get_endpoint(session, principal.merchant_id, endpoint_id)
    look = deliveries.Look(status=status, before=before)
    lines, after = await deliveries.list_deliveries(session, principal.merchant_id, endpoint_id, look=look)
    return schemas.DeliveryPage(
        deliveries=[schemas.DeliveryRow.from_line(line) for line in lines], before=after
    )


@router.get(
    "/endpoints/{endpoint_id}/deliveries/{delivery_id}",
    response_model=schemas.DeliveryAnswer,
    responses=ERRORS,
    dependencies=[VIEW],
)
async def get_delivery(
    endpoint_id: UUID, delivery_id: UUID, principal: MerchantDep, session: SessionDep
) -> schemas.DeliveryAnswer:
    """Show a delivery with its payload and every try."""
    line, tries = await deliveries.get_delivery(
        session, principal.merchant_id, delivery_id, endpoint_id=endpoint_id
    )
    event = line.event
    body = json.loads(write_body(event.id, event.type, at=event.at, data=event.data))
    shown = schemas.DeliveryRow.from_line(line).model_dump()
    rows = [schemas.AttemptRow.from_row(one) for one in tries]
    return schemas.DeliveryAnswer(**shown, payload=body, tries=rows)


@router.post(
    "/endpoints/{endpoint_id}/redeliver",
    status_code=201,
    response_model=schemas.SentAgain,
    responses=EDIT_ERRORS,
    dependencies=[EDIT],
)
async def post_redeliver(
    endpoint_id: UUID,
    body: schemas.RedeliverRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Send one delivery again, or all that failed."""
    outcome = await deliveries.redeliver(
        session, principal, endpoint_id, delivery_id=body.delivery_id, now=clock.now()
    )
    return present_json(outcome, lambda count: schemas.SentAgain(count=count))
