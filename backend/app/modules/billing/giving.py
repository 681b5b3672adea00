"""Giving a merchant a plan, and the entry that says so."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.permissions import Principal
from app.modules.billing.models import BillingAccount
from app.modules.billing.plans import Plans


async def give_plan(session: AsyncSession, merchant_id: UUID, name: str, *, now: datetime) -> bool:
    """Give a merchant a plan, or the default one by an empty name; False where there is no such plan."""
    plans = resources_of(session).get(Plans)
    if name and name not in plans.plans:
        return False
    statement = insert(BillingAccount).values(merchant_id=merchant_id, plan=name, since=now)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id"], set_={"plan": statement.excluded.plan, "since": now}
        )
    )
    await record_audit(
        session,
        Principal("operator", merchant_id, None),
        action="billing.plan_given",
        target_kind="merchant",
        target_id=merchant_id,
        now=now,
        facts={"plan": name},
    )
    return True
