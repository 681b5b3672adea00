"""Who gives at the till over HTTP: an API key with the scope, else the owner of a PIN that is checked later."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound, Unauthenticated
from app.kernel.permissions import Principal, authenticate, require
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


def giver_of(principal: Principal) -> StaffRef:
    """Return an API key or a dashboard member as a giver; both act with a manager's rights where their scope fits."""
    via: Literal["api_key", "member"] = "api_key" if principal.kind == "api_key" else "member"
    role = "manager" if principal.kind == "api_key" else principal.role or "cashier"
    return StaffRef(id=principal.id, name=str(principal.extra.get("name", "")), role=role, via=via)
