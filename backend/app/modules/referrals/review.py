"""What the shop decides: who gets what, and about friends that are held."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import save_settings
from app.modules.referrals.jobs import enqueue_look
from app.modules.referrals.models import Referral
from app.modules.referrals.settings import ReferralSettings
from app.modules.rewards.public import Reward, title_in


async def change_settings(
    session: AsyncSession, principal: Principal, settings: ReferralSettings, *, now: datetime
) -> None:
    """Keep what friends bring; who has joined before gets what was promised then. Raises Invalid."""
    offered = await offered_rewards(session, principal.merchant_id)
    for name in ("inviter_reward", "friend_reward"):
        reward_id = getattr(settings, name)
        if reward_id is not None and reward_id not in offered:
            raise Invalid("reward", extra={"fields": {name: _("Please choose one of the rewards.")}})
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    await record_audit(
        session,
        principal,
        action="referrals.settings_changed",
        target_kind="referral",
        target_id=None,
        now=now,
    )


async def offered_rewards(session: AsyncSession, merchant_id: UUID) -> dict[UUID, str]:
    """Return the merchant's rewards that can be given, by id: their titles as the reader calls them."""
    rows = await session.scalars(
        select(Reward)
        .where(Reward.merchant_id == merchant_id, Reward.active.is_(True))
        .order_by(Reward.title, Reward.id)
    )
    return {row.id: title_in(row, current().language) for row in rows}


async def approve(session: AsyncSession, principal: Principal, referral_id: UUID, *, now: datetime) -> bool:
    """Let both have their gift all the same; the worker gives it. False: decided before. Raises NotFound."""
    row = await _lock_held(session, principal.merchant_id, referral_id)
    if row is None:
        return False
    row.status, row.approved_at, row.decided_by, row.look_at = "joined", now, principal.id, now
    await _note(session, principal, "referrals.approved", referral_id, now=now)
    await enqueue_look(session, principal.merchant_id, referral_id)
    return True


async def decline(session: AsyncSession, principal: Principal, referral_id: UUID, *, now: datetime) -> bool:
    """Give nobody anything, for good. False: decided before. Raises NotFound."""
    row = await _lock_held(session, principal.merchant_id, referral_id)
    if row is None:
        return False
    row.status, row.decided_by, row.look_at = "declined", principal.id, None
    await _note(session, principal, "referrals.declined", referral_id, now=now)
    return True


async def _lock_held(session: AsyncSession, merchant_id: UUID, referral_id: UUID) -> Referral | None:
    """Return the friend if they are still held; raises NotFound."""
    row = await session.scalar(
        select(Referral)
        .where(Referral.merchant_id == merchant_id, Referral.id == referral_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("referral")
    return row if row.status == "review" else None


async def _note(
    session: AsyncSession, principal: Principal, action: str, referral_id: UUID, *, now: datetime
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="referral", target_id=referral_id, now=now
    )
