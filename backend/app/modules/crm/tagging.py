"""Tags on one customer and on many; each change leaves an audit entry with the tag's id, never a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import Forbidden
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.customers.public import (
    AudienceFilter,
    delete_tag,
    ensure_tag,
    list_audience,
    list_customers,
    tag_customers,
    untag_customer,
)

PICKED_MAX = 200
TAGGED_MAX = 100_000


async def tag_many(
    session: AsyncSession,
    principal: Principal,
    name: str,
    *,
    picked: Sequence[UUID],
    everyone: AudienceFilter | None,
    now: datetime,
) -> int | Refusal:
    """Give a tag to these customers, or to everyone the filter means; returns how many are new to it.

    Refusal: too_many_tags. Ids that are not the merchant's, or outside the member's stores, are left out.
    """
    merchant_id = principal.merchant_id
    meant = everyone or AudienceFilter(within=principal.store_ids)
    if everyone is None:
        known = await list_customers(session, merchant_id, list(picked)[:PICKED_MAX])
        ids = [key for key, person in known.items() if person.erased_at is None]
        if principal.store_ids:
            reachable = {key async for key in list_audience(session, merchant_id, meant, now=now)}
            ids = [key for key in ids if key in reachable]
    else:
        ids = []
        async for key in list_audience(session, merchant_id, meant, now=now):
            ids.append(key)
            if len(ids) >= TAGGED_MAX:
                break
    tag = await ensure_tag(session, merchant_id, name, now=now)
    if isinstance(tag, Refusal):
        return tag
    added = await tag_customers(session, merchant_id, tag.id, customer_ids=ids, now=now)
    facts = {"tag": str(tag.id), "customers": added}
    await record_audit(
        session,
        principal,
        action="customers.tagged",
        target_kind="tag",
        target_id=tag.id,
        facts=facts,
        now=now,
    )
    return added


async def untag(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, tag_id: UUID, now: datetime
) -> None:
    """Take a tag off a customer."""
    if await untag_customer(session, principal.merchant_id, tag_id, customer_id=customer_id):
        await record_audit(
            session,
            principal,
            action="customer.untagged",
            target_kind="customer",
            target_id=customer_id,
            facts={"tag": str(tag_id)},
            now=now,
        )


async def remove_tag(session: AsyncSession, principal: Principal, tag_id: UUID, *, now: datetime) -> None:
    """Remove a tag from everybody; raises NotFound, and Forbidden for who does not reach everybody."""
    if principal.store_ids:
        raise Forbidden
    await delete_tag(session, principal.merchant_id, tag_id)
    await record_audit(session, principal, action="tag.deleted", target_kind="tag", target_id=tag_id, now=now)
