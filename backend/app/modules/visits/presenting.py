"""From an HTTP request to the command of an award, and back; shared by the stamps and points endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import PlainSession, set_tenant
from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.clock import Clock
from app.kernel.web.present import present_json
from app.kernel.web.proxies import client_address
from app.modules.rewards.public import recognise_giver
from app.modules.visits.at_once import award_at_once
from app.modules.visits.schemas import AwardAnswer
from app.modules.visits.service import AwardCommand, AwardGranted, award_visit


async def answer_award(  # noqa: PLR0913 - the parts of one request
    request: Request,
    session: AsyncSession,
    store: StoreRef,
    clock: Clock,
    *,
    route: str,
    scope: str,
    card: str,
    quantity: int,
    amount: Decimal | None,
    staff_pin: str | None,
    idempotency_key: str | None,
    tenders: Mapping[str, Decimal] | None = None,
) -> Response:
    """Recognise who gives, award the visit, present the outcome.

    The session may still be without a tenant, and is left alone where the short way serves.
    """
    now = clock.now()
    if "authorization" not in request.headers and isinstance(session, PlainSession):
        plain = AwardCommand(
            card=card, quantity=quantity, amount=amount, route=route, address=client_address(request),
            staff_pin=staff_pin, idempotency_key=idempotency_key, tenders=tenders or {},
        )  # fmt: skip
        outcome = await award_at_once(resources_of(session), store, plain, now=now)
        if outcome is not None:
            return present_json(outcome, present_award)
    await set_tenant(session, store.merchant_id)
    staff = await recognise_giver(
        request, session, merchant_id=store.merchant_id, scope=scope, staff_pin=staff_pin
    )
    command = AwardCommand(
        card=card,
        quantity=quantity,
        amount=amount,
        route=route,
        address=client_address(request),
        source="pos" if staff else "customer_phone",
        staff_pin=staff_pin,
        staff=staff,
        idempotency_key=idempotency_key,
        tenders=tenders or {},
    )
    return present_json(await award_visit(session, store, command, now=now), present_award)


def present_award(granted: AwardGranted) -> AwardAnswer:
    """Return the answer with the giver's name, which is not stored with it."""
    return AwardAnswer.model_validate(granted.answer | {"given_by": granted.given_by})
