"""How a dashboard cookie and an API key are recognised; both bind the transaction to their tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import Unauthenticated
from app.kernel.permissions import Principal
from app.kernel.registry import Registry
from app.kernel.web.cookies import read_cookie
from app.kernel.web.limits import limiter_of
from app.kernel.web.proxies import address_key, client_address
from app.modules.accounts.keys.service import find_usable_key, parse_key
from app.modules.accounts.members import MemberView, find_member
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE, find_session, parse_session_token
from app.modules.merchants.public import get_merchant

_UNSET_TENANT = text("SELECT set_config('stempel.merchant_id', '', true)")


async def authenticate_session(request: Request, session: AsyncSession) -> Principal | None:
    """Return the member of the dashboard cookie, or None where it is missing, wrong or ended."""
    parts = parse_session_token(read_cookie(request, SESSION_COOKIE) or "")
    if parts is None:
        return None
    merchant_id, session_id, secret = parts
    was_bound = "merchant_id" in session.info
    if not await _bind(session, merchant_id):
        return None
    now: datetime = request.app.state.clock.now()
    row = await find_session(session, merchant_id, session_id=session_id, secret=secret, now=now)
    # The role is the member's of this moment, not of the sign-in: a change is in effect on the next request.
    member = await find_member(session, merchant_id, row.member_id) if row else None
    if member is None:
        if not was_bound:
            await _unbind(session)
        return None
    # Lists of stores show these only; routes that name another one are refused by their row.
    session.info["store_ids"] = member.store_ids
    return Principal(
        "member",
        merchant_id,
        member.id,
        role=member.role,
        scopes=permissions_of(session, member),
        store_ids=member.store_ids,
        extra={
            "modules_on": member.modules_on,
            "feature_rules": member.feature_rules,
            "name": member.merchant_name,
            "merchant_name": member.merchant_name,
            "user_name": member.name or member.email,
            "session_id": session_id,
        },
    )


async def authenticate_api_key(request: Request, session: AsyncSession) -> Principal | None:
    """Return the API key of the Authorization header, or None where there is none; raises for a wrong one.

    A wrong key never falls back to a cookie: the caller would act as somebody it did not mean.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    address = address_key(client_address(request))
    parts = parse_key(value.strip())
    key = None
    if parts is not None and await _bind(session, parts.merchant_id):
        key = await find_usable_key(session, parts, now=request.app.state.clock.now())
    if key is None:
        await limiter_of(request).enforce("api_key_wrong", address)
        raise Unauthenticated
    await limiter_of(request).enforce("api_key", str(key.id))
    merchant = await get_merchant(session, key.merchant_id)
    offered = resources_of(session).get(Registry).permissions(modules_on=merchant.modules_on)
    scopes = frozenset(name for name in key.scopes if name in offered and offered[name].api_scope)
    extra = {
        "modules_on": merchant.modules_on,
        "feature_rules": merchant.feature_rules,
        "name": key.name,
        "merchant_name": merchant.name,
    }
    return Principal("api_key", key.merchant_id, key.id, scopes=scopes, extra=extra)


def permissions_of(session: AsyncSession, member: MemberView) -> frozenset[str]:
    """Return the permissions a member holds in the modules that are on; the owner holds all of them."""
    declared = resources_of(session).get(Registry).permissions(modules_on=member.modules_on).values()
    return frozenset(p.name for p in declared if p.is_held_by(member.role, store_ids=member.store_ids))


async def _bind(session: AsyncSession, merchant_id: UUID) -> bool:
    """Bind the tenant that a credential claims, unless the address of the page has bound another one."""
    bound = session.info.get("merchant_id")
    if bound is not None and bound != merchant_id:
        return False
    await set_tenant(session, merchant_id)
    return True


async def _unbind(session: AsyncSession) -> None:
    # The claim was not proven: what follows (another credential, a public page) must not see that tenant.
    await session.execute(_UNSET_TENANT)
    session.info.pop("merchant_id", None)
