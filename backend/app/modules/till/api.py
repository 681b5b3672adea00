"""The device's endpoints: as the seed's, with the shift in the place of a PIN."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.errors import Unauthenticated
from app.kernel.permissions import device as device_row
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import json_response, present_json
from app.kernel.web.problems import error_responses
from app.kernel.web.proxies import client_address
from app.modules.rewards.public import (
    CardStateAnswer,
    RedeemAnswer,
    VoidAnswer,
    card_state,
    present_redemption,
    present_void,
)
from app.modules.staff.public import DeviceDep
from app.modules.till import service
from app.modules.till.schemas import (
    DeviceCardAnswer,
    DeviceCardRequest,
    DeviceRedeemRequest,
    DeviceVisitRequest,
    DeviceVoidRequest,
)
from app.modules.till.service import Ask, Till
from app.modules.visits.public import AWARD_ERRORS, AwardAnswer, present_award

router = APIRouter(prefix="/device", tags=["Staff device"])


async def get_till(device: DeviceDep, session: SessionDep) -> Till:
    """Return the device's open till; raises DeviceRevoked, and Unauthenticated while no shift is open."""
    till = await service.open_till(session, device)
    if till is None:
        raise Unauthenticated
    return till


TillDep = Annotated[Till, Depends(get_till)]
DEVICE_ERRORS = ("device_revoked", "unauthenticated", "not_found")


@router.get(
    "/cards/{card}",
    response_model=CardStateAnswer,
    responses=error_responses(*DEVICE_ERRORS),
    dependencies=[device_row("The state of a card in front of the staff")],
)
async def get_card_state(
    card: Annotated[str, Path(max_length=64)], till: TillDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return the state of the scanned card."""
    found = await service.find_till_card(session, till, card, now=clock.now())
    return json_response(await card_state(session, till.store.merchant_id, found.view.pass_id))


@router.post(
    "/visits",
    status_code=201,
    response_model=AwardAnswer,
    responses=error_responses(*DEVICE_ERRORS, *AWARD_ERRORS),
    dependencies=[device_row("Give stamps or points in a shift")],
)
async def post_visit(
    request: Request,
    body: DeviceVisitRequest,
    till: TillDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Give a visit: stamps, or points for an amount."""
    ask = Ask(body.pass_id, client_address(request), key, body.tenders)
    outcome = await service.give_visit(
        session, till, ask, quantity=body.quantity, amount=body.amount, now=clock.now()
    )
    return present_json(outcome, present_award)


@router.post(
    "/redemptions",
    status_code=201,
    response_model=RedeemAnswer,
    responses=error_responses(
        *DEVICE_ERRORS, "card_blocked", "not_enough", "already_redeemed", "reward_inactive"
    ),
    dependencies=[device_row("Give a reward out in a shift")],
)
async def post_redemption(
    request: Request,
    body: DeviceRedeemRequest,
    till: TillDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Give one reward out, once."""
    ask = Ask(body.pass_id, client_address(request), key)
    outcome = await service.give_reward(session, till, ask, reward_id=body.reward_id, now=clock.now())
    return present_json(outcome, present_redemption)


@router.post(
    "/voids",
    status_code=201,
    response_model=VoidAnswer,
    responses=error_responses(
        *DEVICE_ERRORS, "already_voided", "already_spent", "void_too_late", "manager_required"
    ),
    dependencies=[device_row("Take the last visit or redemption back in a shift")],
)
async def post_void(body: DeviceVoidRequest, till: TillDep, session: SessionDep, clock: ClockDep) -> Response:
    """Take a visit or a redemption back. Repeating it changes nothing."""
    outcome = await service.take_back(
        session, till, kind=body.kind, target_id=body.target_id, reason=body.reason or "", now=clock.now()
    )
    return present_json(outcome, present_void)


@router.post(
    "/cards",
    status_code=201,
    response_model=DeviceCardAnswer,
    responses=error_responses(*DEVICE_ERRORS),
    dependencies=[device_row("Start a card for a customer in a shift")],
)
async def post_card(
    body: DeviceCardRequest, till: TillDep, session: SessionDep, clock: ClockDep
) -> DeviceCardAnswer:
    """Start a card; the link opens it on the customer's phone."""
    made = await service.start_card(session, till, name=body.name, now=clock.now())
    return DeviceCardAnswer(pass_id=made.card.id, card_number=made.card.card_number, card_url=made.url)
