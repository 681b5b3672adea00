"""Redeeming and taking a redemption back, over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.permissions import staff_pin
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.kernel.web.proxies import client_address
from app.modules.rewards.giver import read_void, recognise_giver
from app.modules.rewards.presenting import PIN_ERRORS, present_redemption, present_void
from app.modules.rewards.schemas import RedeemAnswer, RedeemRequest, VoidAnswer, VoidRequest
from app.modules.rewards.service import RedeemCommand, redeem_reward
from app.modules.rewards.undo import void_redemption

router = APIRouter(tags=["At the till"])


@router.post(
    "/rewards/{store_id}/redeem",
    status_code=201,
    response_model=RedeemAnswer,
    responses=error_responses(
        *PIN_ERRORS, "card_blocked", "not_enough", "already_redeemed", "reward_inactive", "key_reused"
    ),
    dependencies=[staff_pin("Give a reward out", api_scope="rewards.redeem")],
)
async def post_redeem(
    request: Request,
    store: StoreDep,
    body: RedeemRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Give one reward, once: from what is banked, else from the balance."""
    staff = await recognise_giver(
        request, session, merchant_id=store.merchant_id, scope="rewards.redeem", staff_pin=body.staff_pin
    )
    command = RedeemCommand(
        body.pass_id,
        body.reward_id,
        address=client_address(request),
        source="pos" if staff else "customer_phone",
        staff_pin=body.staff_pin,
        staff=staff,
        idempotency_key=key,
    )
    return present_json(await redeem_reward(session, store, command, now=clock.now()), present_redemption)


@router.post(
    "/redemptions/{redemption_id}/void",
    status_code=201,
    response_model=VoidAnswer,
    responses=error_responses(
        *PIN_ERRORS, "already_voided", "void_too_late", "manager_required", "key_reused"
    ),
    dependencies=[staff_pin("Take a redemption back", api_scope="visits.void")],
)
async def post_void_redemption(
    request: Request,
    redemption_id: UUID,
    body: VoidRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Take a redemption back: staff the last one for 15 minutes, managers any time. Repeating it changes nothing."""
    store, command = await read_void(request, session, redemption_id, body, idempotency_key=key)
    return present_json(await void_redemption(session, store, command, now=clock.now()), present_void)
