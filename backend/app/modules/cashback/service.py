"""Setting cashback up, and store credit given or taken by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import msg
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.kernel.web.once import Once, answer_once
from app.modules.cards.public import lock_card, raise_revision
from app.modules.cashback.ledger import Cause, open_purse
from app.modules.cashback.rules import decide_expiry, spendable
from app.modules.cashback.settings import CashbackSettings
from app.modules.cashback.till import FEATURE
from app.modules.merchants.public import get_merchant, set_feature_rules
from app.modules.stores.public import get_store
from app.modules.wallets.public import mark_changed

REASONS = {
    "goodwill": msg("As an apology or a thank-you"),
    "returned": msg("For goods brought back"),
    "mistake": msg("A mistake put right"),
}


async def note_rules(session: AsyncSession, merchant_id: UUID) -> None:
    """Let the next visit know how much comes back."""
    settings = await get_settings(session, CashbackSettings, merchant_id=merchant_id)
    await set_feature_rules(session, merchant_id, FEATURE, settings.model_dump(mode="json"))


async def change_settings(
    session: AsyncSession, principal: Principal, settings: CashbackSettings, *, now: datetime
) -> None:
    """Keep how cashback works, from the next visit on; credit that was given stays as it is."""
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    await note_rules(session, principal.merchant_id)
    await record_audit(
        session,
        principal,
        action="cashback.settings_changed",
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=now,
        facts=settings.model_dump(mode="json"),
    )


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Credit given (above zero) or taken by hand, in minor units. reason: one of REASONS."""

    pass_id: UUID
    amount_minor: int
    reason: str


async def adjust_credit(
    session: AsyncSession, principal: Principal, adjustment: Adjustment, *, key: str | None, now: datetime
) -> Mapping[str, Any] | Replay | Refusal:
    """Give or take credit by hand, once a key; raises NotFound.

    Refusals: credit_short, credit_over_limit, key_reused.
    """
    body = {name: str(getattr(adjustment, name)) for name in Adjustment.__dataclass_fields__}

    async def work() -> int | Refusal:
        return await _adjust(session, principal, adjustment, now=now)

    return await answer_once(
        session,
        principal,
        Once("credit", key, body),
        work=work,
        answer=lambda balance: {"balance_minor": balance},
        now=now,
    )


async def _adjust(
    session: AsyncSession, principal: Principal, adjustment: Adjustment, *, now: datetime
) -> int | Refusal:
    merchant_id, amount = principal.merchant_id, adjustment.amount_minor
    card = await lock_card(session, merchant_id, adjustment.pass_id)
    if card.status not in {"active", "blocked"}:
        raise NotFound("card")
    settings = await get_settings(session, CashbackSettings, merchant_id=merchant_id)
    if amount > settings.hand_max_minor:
        return Refusal("credit_over_limit", extra={"most_minor": settings.hand_max_minor})
    merchant = await get_merchant(session, merchant_id)
    purse = await open_purse(session, merchant_id, card.id)
    await purse.expire(merchant.currency, now=now)
    held = spendable(purse.open_lots, now)
    if -amount > held:
        return Refusal("credit_short", extra={"available_minor": held})
    cause = Cause("adjust", merchant.currency, card.store_id, rule={"reason": adjustment.reason})
    if amount > 0:
        zone = (await get_store(session, merchant_id, card.store_id)).time_zone
        expires_at = decide_expiry(now, settings.expiry_months, time_zone=zone)
        await purse.give(amount, cause, expires_at=expires_at, now=now)
    else:
        await purse.take(-amount, cause, now=now)
    raise_revision(card, now=now)
    await mark_changed(session, merchant_id, card.id)
    await record_audit(
        session,
        principal,
        action="cashback.credit_adjusted",
        target_kind="card",
        target_id=card.id,
        now=now,
        facts={"amount_minor": amount, "reason": adjustment.reason},
    )
    balance: int = purse.account.balance_minor
    return balance
