"""What handlers ask for: the request's session, the clock, the signed-in member, the store of a public page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, params
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import find_lookup
from app.db.session import set_tenant
from app.kernel.clock import Clock
from app.kernel.errors import Forbidden, NotFound
from app.kernel.permissions import (
    MEMBER_GUARD,
    Access,
    AccessRow,
    MemberAsk,
    Principal,
    authenticate,
    require,
)

STORE_TENANTS_MAX = 100_000


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield the request's session: commit if the handler returned, roll back if it raised."""
    async with request.app.state.database.sessions() as session:
        yield session
        await session.commit()


@asynccontextmanager
async def plain_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Open the same for a route of the hot path, which asks for no dependencies; unused, it costs next to nothing."""
    session = request.app.state.database.plain_sessions()
    try:
        yield session
        if session.in_transaction():
            await session.commit()
    finally:
        if session.in_transaction():
            await asyncio.shield(session.close())


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


# These two do nothing slow and are async all the same: FastAPI sends plain functions through its thread pool.
async def get_clock(request: Request) -> Clock:
    """Return the process's clock."""
    clock: Clock = request.app.state.clock
    return clock


ClockDep = Annotated[Clock, Depends(get_clock)]


class MemberRow(AccessRow):
    """The enforced row of a dashboard route: the session cookie, or an API key with the scope."""

    async def __call__(self, request: Request, session: SessionDep) -> None:
        """Recognise the caller, bind the tenant, check the permission; raises Unauthenticated or Forbidden."""
        kinds = ("api_key", "session") if self.access.api_key else ("session",)
        principal = require(await authenticate(request, session, kinds=kinds), self.access.permission)
        if not reaches(principal, request):
            raise NotFound("store")
        refusal = MEMBER_GUARD.first_refusal(MemberAsk(principal, request.method, self.access.permission))
        if refusal is not None:
            raise Forbidden(code=refusal.code)


def reaches(principal: Principal, request: Request) -> bool:
    """Tell whether the request names no store, in its path or query, that the member is not limited to."""
    if not principal.store_ids:
        return True
    named = (request.path_params.get("store_id"), request.query_params.get("store"))
    own = {str(store_id) for store_id in principal.store_ids}
    return all(str(value).lower() in own for value in named if value)


def member(permission: str, *, api_key: bool = True, note: str = "") -> params.Depends:
    """Return the row of a route for dashboard members holding the permission, and API keys with it as a scope."""
    row: params.Depends = Depends(
        MemberRow(Access("member", permission=permission, api_key=api_key, note=note))
    )
    return row


async def get_principal(request: Request) -> Principal:
    """Return who the access row recognised; only for routes with a member row."""
    principal: Principal = request.state.principal
    return principal


MerchantDep = Annotated[Principal, Depends(get_principal)]


@dataclass(frozen=True, slots=True)
class StoreRef:
    """A store id that exists, with the tenant it belongs to; the transaction is bound to that tenant."""

    merchant_id: UUID
    id: UUID


async def bind_store(request: Request, session: AsyncSession, store_id: UUID) -> StoreRef:
    """Resolve a store id from outside and bind the transaction to its tenant; raises NotFound."""
    known: dict[UUID, UUID] = request.app.state.store_tenants
    merchant_id = known.get(store_id)
    if merchant_id is None:
        found = await find_lookup(session, "store", str(store_id))
        if found is None:
            raise NotFound("store")
        merchant_id = found[0]
        # A store never changes its merchant, so that the answer may be kept; bounded against made-up growth.
        if len(known) < STORE_TENANTS_MAX:
            known[store_id] = merchant_id
    await set_tenant(session, merchant_id)
    return StoreRef(merchant_id, store_id)


def known_store(request: Request, store_id: UUID) -> StoreRef | None:
    """Return a store whose tenant is known already, without binding any transaction to it."""
    merchant_id = request.app.state.store_tenants.get(store_id)
    return StoreRef(merchant_id, store_id) if merchant_id else None


async def get_store_ref(store_id: UUID, request: Request, session: SessionDep) -> StoreRef:
    """Resolve the store in the path of a public address."""
    return await bind_store(request, session, store_id)


StoreDep = Annotated[StoreRef, Depends(get_store_ref)]
