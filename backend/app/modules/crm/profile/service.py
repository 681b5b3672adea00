"""What a merchant may do about one customer; every change leaves an audit entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.once import Once, answer_once
from app.modules.cards.public import (
    PassObject,
    list_cards_of_customer,
    lock_card,
    merge_people,
    resend_confirmation,
    touch_card,
)
from app.modules.crm.rules import Balance, decide_correction
from app.modules.customers.public import (
    AudienceFilter,
    CustomerDetails,
    CustomerView,
    add_note,
    change_details,
    erase_person,
    get_customer,
    is_meant,
    record_consent,
)
from app.modules.points.public import PointsPolicy, give_points, lot_expiry, take_points
from app.modules.rewards.public import list_rewards, settle_card
from app.modules.stamps.public import Cause, move_stamps
from app.modules.stores.public import ProgramView, get_program, get_store


async def get_person(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, now: datetime
) -> CustomerView:
    """Return a customer whom the member may see: of the merchant, and within the member's stores. Raises NotFound."""
    person = await get_customer(session, principal.merchant_id, customer_id)
    if principal.store_ids:
        within = AudienceFilter(within=principal.store_ids)
        if not await is_meant(session, principal.merchant_id, within, customer_id=customer_id, now=now):
            raise NotFound("customer")
    return person


async def get_living_person(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, now: datetime
) -> CustomerView:
    """Return a customer who may be changed: not an erased one. Raises NotFound."""
    person = await get_person(session, principal, customer_id, now=now)
    if person.erased_at is not None:
        raise NotFound("customer")
    return person


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction by hand. reason: a key of REASONS. note: what else is to be said, kept beside the customer."""

    pass_id: UUID
    reason: str
    stamps: int = 0
    points: int = 0
    note: str = ""
    force: bool = False


async def correct_card(
    session: AsyncSession,
    principal: Principal,
    customer_id: UUID,
    *,
    correction: Correction,
    key: str | None,
    now: datetime,
) -> Mapping[str, Any] | Refusal | Replay:
    """Move a card's balance by hand, as ledger entries of kind "adjust", once a key; raises NotFound.

    Refusals: below_zero without force, card_full, wrong_loyalty_type, key_reused.
    """
    await get_living_person(session, principal, customer_id, now=now)
    body = {name: str(getattr(correction, name)) for name in Correction.__dataclass_fields__}

    async def work() -> PassObject | Refusal:
        return await _correct(session, principal, customer_id, correction=correction, now=now)

    return await answer_once(
        session,
        principal,
        Once("corrections", key, body),
        work=work,
        answer=lambda card: {"stamp_count": card.stamp_count, "points_balance": card.points_balance},
        now=now,
    )


async def _correct(
    session: AsyncSession,
    principal: Principal,
    customer_id: UUID,
    *,
    correction: Correction,
    now: datetime,
) -> PassObject | Refusal:
    merchant_id, stamps, points = principal.merchant_id, correction.stamps, correction.points
    card = await lock_card(session, merchant_id, correction.pass_id)
    if card.customer_id != customer_id or card.status not in {"active", "blocked"}:
        raise NotFound("card")
    program = await get_program(session, merchant_id, card.program_id)
    balance = Balance(program.loyalty_type, card.stamp_count, program.stamps_needed, card.points_balance)
    refusal = decide_correction(balance, stamps=stamps, points=points, force=correction.force)
    if refusal is not None:
        return refusal
    cause = Cause("adjust", card.store_id, rule={"reason": correction.reason})
    await move_balance(session, card, program, stamps=stamps, points=points, cause=cause, now=now)
    rewards = await list_rewards(session, merchant_id, card.program_id)
    await settle_card(session, card, rewards, now=now)
    if correction.note:
        await add_note(
            session, merchant_id, customer_id, text=correction.note, author_id=principal.id, now=now
        )
    facts = {"stamps": stamps, "points": points, "reason": correction.reason, "forced": correction.force}
    await _record(session, principal, "card.adjusted", card.id, facts=facts, now=now)
    return card


async def move_balance(  # noqa: PLR0913 - a card, its rules, and two amounts with their cause
    session: AsyncSession,
    card: PassObject,
    program: ProgramView,
    *,
    stamps: int,
    points: int,
    cause: Cause,
    now: datetime,
) -> None:
    """Append the entries of a movement to the locked card; what is given expires as if it were earned now."""
    move_stamps(session, card, stamps=stamps, cause=cause, now=now)
    if stamps > 0 and card.stamp_count > 0 and card.first_stamp_at is None:
        card.first_stamp_at = now
    if points > 0:
        store = await get_store(session, card.merchant_id, card.store_id)
        policy = PointsPolicy(
            program.points_per_unit, program.rounding, program.points_expiry, program.points_expiry_months
        )
        expires_at = lot_expiry(policy, earned_at=now, time_zone=store.time_zone)
        await give_points(session, card, points=points, cause=cause, now=now, expires_at=expires_at)
    elif points < 0:
        await take_points(session, card, points=-points, cause=cause, now=now)
    await session.flush()


async def _record(
    session: AsyncSession,
    principal: Principal,
    action: str,
    target_id: UUID,
    *,
    facts: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    kind = "card" if action.startswith("card.") else "customer"
    await record_audit(
        session, principal, action=action, target_kind=kind, target_id=target_id, facts=facts, now=now
    )


async def edit_person(
    session: AsyncSession,
    principal: Principal,
    customer_id: UUID,
    *,
    details: CustomerDetails,
    now: datetime,
) -> list[str]:
    """Change what is known of a customer; a new address is asked to confirm itself. Raises NotFound."""
    merchant_id = principal.merchant_id
    await get_living_person(session, principal, customer_id, now=now)
    changed = await change_details(session, merchant_id, customer_id, details=details, now=now)
    cards = await list_cards_of_customer(session, merchant_id, customer_id)
    if "email" in changed and details.email and cards:
        await resend_confirmation(session, cards[0], now=now)
    if {"name", "locale"} & set(changed):
        for card in cards:
            await touch_card(session, merchant_id, card.id, now=now)
    if changed:
        await _record(session, principal, "customer.changed", customer_id, facts={"fields": changed}, now=now)
    return changed


async def withdraw_consent(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, now: datetime
) -> bool:
    """Record that a customer said so to the shop; False where nothing was agreed. Raises NotFound."""
    await get_living_person(session, principal, customer_id, now=now)
    changed = await record_consent(
        session, principal.merchant_id, customer_id, given=False, source="dashboard", now=now
    )
    if changed:
        await _record(session, principal, "customer.unsubscribed", customer_id, now=now)
    return changed


async def merge_persons(
    session: AsyncSession, principal: Principal, *, source_id: UUID, target_id: UUID, now: datetime
) -> None:
    """Join a duplicate to the customer who stays. Raises NotFound."""
    if source_id == target_id:
        raise NotFound("customer")
    for customer_id in sorted((source_id, target_id)):
        await get_living_person(session, principal, customer_id, now=now)
    await merge_people(session, principal.merchant_id, source_id=source_id, target_id=target_id, now=now)
    facts = {"joined": str(source_id)}
    await _record(session, principal, "customer.merged", target_id, facts=facts, now=now)


async def erase_customer(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, now: datetime
) -> None:
    """Let every module erase what it knows of a customer. Raises NotFound."""
    await get_living_person(session, principal, customer_id, now=now)
    await erase_person(session, principal.merchant_id, customer_id)
    await _record(session, principal, "customer.erased", customer_id, now=now)
