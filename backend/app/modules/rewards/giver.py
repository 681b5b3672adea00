"""Who gives or takes back at the till over HTTP: an API key with the scope, else the owner of a PIN checked later."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef, bind_store
from app.kernel.errors import NotFound, Unauthenticated
from app.kernel.permissions import Principal, authenticate, require
from app.kernel.web.proxies import client_address
from app.modules.rewards.schemas import VoidRequest
from app.modules.rewards.undo import VoidCommand
from app.modules.staff.public import StaffRef


async def recognise_giver(
    request: Request, session: AsyncSession, *, merchant_id: UUID, scope: str, staff_pin: str | None
) -> StaffRef | None:
    """Return the integration behind an API key, or None where a PIN came and is to be checked.

    Raises Unauthenticated without either, Forbidden for a key without the scope, NotFound for another tenant's key.
    """
    if "authorization" in request.headers:
        principal = require(await authenticate(request, session, kinds=("api_key",)), scope)
        if principal.merchant_id != merchant_id:
            raise NotFound("store")
        return giver_of(principal)
    if staff_pin is None:
        raise Unauthenticated
    return None


async def read_void(
    request: Request,
    session: AsyncSession,
    target_id: UUID,
    body: VoidRequest,
    *,
    idempotency_key: str | None,
) -> tuple[StoreRef, VoidCommand]:
    """Return the store, and what is to be taken back there and by whom. Raises as recognise_giver does."""
    store = await bind_store(request, session, body.store_id)
    staff = await recognise_giver(
        request, session, merchant_id=store.merchant_id, scope="visits.void", staff_pin=body.staff_pin
    )
    return store, VoidCommand(
        target_id,
        body.reason,
        client_address(request),
        body.staff_pin,
        staff,
        force=body.force,
        idempotency_key=idempotency_key,
    )


def giver_of(principal: Principal) -> StaffRef:
    """Return an API key or a dashboard member as a giver; both act with a manager's rights where their scope fits."""
    via: Literal["api_key", "member"] = "api_key" if principal.kind == "api_key" else "member"
    role = "manager" if principal.kind == "api_key" else principal.role or "cashier"
    return StaffRef(id=principal.id, name=str(principal.extra.get("name", "")), role=role, via=via)
