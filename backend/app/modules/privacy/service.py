"""What members do about privacy: settings and proofs, each with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.customers.public import ConsentSettings, get_customer
from app.modules.privacy.models import PrivacyRequest
from app.modules.privacy.settings import PrivacySettings

REQUESTS_SHOWN = 50


async def change_settings(
    session: AsyncSession,
    principal: Principal,
    *,
    privacy: PrivacySettings,
    consent: ConsentSettings,
    now: datetime,
) -> list[str]:
    """Keep the settings; returns the names of those that changed."""
    merchant_id, changed = principal.merchant_id, []
    for wanted in (privacy, consent):
        before = await get_settings(session, type(wanted), merchant_id=merchant_id)
        changed += [name for name, value in wanted if getattr(before, name) != value]
        await save_settings(session, wanted, merchant_id=merchant_id)
    if changed:
        await record_audit(
            session,
            principal,
            action="privacy.changed",
            target_kind="merchant",
            target_id=merchant_id,
            facts={"fields": changed, "inactive_months": privacy.inactive_months},
            now=now,
        )
    return changed


async def note_proof(
    session: AsyncSession, principal: Principal, *, customer_id: UUID | None, now: datetime
) -> None:
    """Note that consents were downloaded; raises NotFound for a customer of somebody else."""
    if customer_id is not None:
        await get_customer(session, principal.merchant_id, customer_id)
    await record_audit(
        session,
        principal,
        action="privacy.proved",
        target_kind="customer" if customer_id else "merchant",
        target_id=customer_id or principal.merchant_id,
        now=now,
    )


async def list_requests(
    session: AsyncSession, merchant_id: UUID, *, limit: int = REQUESTS_SHOWN
) -> Sequence[PrivacyRequest]:
    """Return the newest requests of customers."""
    rows = await session.scalars(
        select(PrivacyRequest)
        .where(PrivacyRequest.merchant_id == merchant_id)
        .order_by(PrivacyRequest.created_at.desc(), PrivacyRequest.id.desc())
        .limit(limit)
    )
    return rows.all()
