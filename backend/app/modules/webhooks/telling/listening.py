"""From what the modules tell to what is told outside: ids and figures, no names, addresses or words of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.metering import UsageTold
from app.modules.cards.public import CardChanged, CardJoined, CardMerged, TierChanged, get_card_row
from app.modules.customers.public import CustomerChanged
from app.modules.rewards.public import RedeemedContext, VoidedContext, describe_rewards, rewards_state
from app.modules.visits.public import EarnedContext
from app.modules.webhooks.rules import FEATURE
from app.modules.webhooks.telling.recording import Happened, record_event

# What cards.hooks.CardChanged.what says, and the event that it is; anything else is not told.
CARD_EVENTS = {"blocked": "card.blocked", "active": "card.unblocked"}


async def on_earned(earned: EarnedContext) -> None:
    """Tell of a visit, and of the rewards that it unlocked."""
    earn = earned.earn
    wanted = earn.rules_of(FEATURE).get("events", ())
    ids = {"visit_id": earned.visit_id, "pass_id": earn.pass_id, "customer_id": earn.customer_id,
           "store_id": earn.store_id}  # fmt: skip
    if "visit.given" in wanted:
        data = ids | {
            "stamps": earned.stamps_added,
            "points": earned.points_added,
            "amount_minor": earned.amount_minor,
            "currency": earned.currency or None,
            "source": earn.source,
        }
        given = Happened(
            earn.merchant_id, "visit.given", earn.now, str(earned.visit_id), earn.customer_id, data
        )
        await record_event(earned.session, given)
    if "reward.unlocked" not in wanted:
        return
    after = await rewards_state(earned.session, earn.merchant_id, earn.pass_id)
    before = describe_rewards(earn.state.totals, [state.reward for state in after])
    for then, state in zip(before, after, strict=True):
        if state.waiting > then.waiting:
            unlocked = ids | {"reward_id": state.reward.id, "waiting": state.waiting}
            key = f"{earned.visit_id}:{state.reward.id}"
            happened = Happened(
                earn.merchant_id, "reward.unlocked", earn.now, key, earn.customer_id, unlocked
            )
            await record_event(earned.session, happened)


async def on_redeemed(context: RedeemedContext) -> None:
    """Tell of a reward that was given out."""
    data = {
        "redemption_id": context.redemption_id,
        "reward_id": context.reward.id,
        "pass_id": context.pass_id,
        "customer_id": context.customer_id,
        "store_id": context.store_id,
        "cost": context.cost,
        "cost_kind": context.reward.kind,
    }
    key = str(context.redemption_id)
    happened = Happened(context.merchant_id, "reward.redeemed", context.now, key, context.customer_id, data)
    await record_event(context.session, happened)


async def on_voided(context: VoidedContext) -> None:
    """Tell of a visit or a redemption that was taken back."""
    customer_id = context.customer_id or await _customer_of(
        context.session, context.merchant_id, context.pass_id
    )
    data: dict[str, Any] = {
        "pass_id": context.pass_id,
        "customer_id": customer_id,
        "stamps": context.stamps,
        "points": context.points,
    }
    if context.visit_id is not None:
        kind, key = "visit.undone", str(context.visit_id)
        data |= {"visit_id": context.visit_id, "store_id": context.store_id}
    else:
        kind, key = "reward.taken_back", str(context.redemption_id)
        data |= {"redemption_id": context.redemption_id}
    await record_event(
        context.session, Happened(context.merchant_id, kind, context.now, key, customer_id, data)
    )


async def on_joined(joined: CardJoined) -> None:
    """Tell of a new card."""
    data = {
        "pass_id": joined.pass_id,
        "customer_id": joined.customer_id,
        "store_id": joined.store_id,
        "program_id": joined.program_id,
        "source": joined.source,
    }
    key = str(joined.pass_id)
    await record_event(
        joined.session,
        Happened(joined.merchant_id, "card.joined", joined.now, key, joined.customer_id, data),
    )


async def on_merged(merged: CardMerged) -> None:
    """Tell of a card whose balance moved to another; ask for the source and find the target."""
    customer_id = await _customer_of(merged.session, merged.merchant_id, merged.target.pass_id)
    data = {
        "pass_id": merged.source.pass_id,
        "into_pass_id": merged.target.pass_id,
        "customer_id": customer_id,
        "program_id": merged.program_id,
    }
    key = str(merged.source.pass_id)
    await record_event(
        merged.session, Happened(merged.merchant_id, "card.merged", merged.now, key, customer_id, data)
    )


async def on_card_changed(changed: CardChanged) -> None:
    """Tell of a card that was blocked, or works again."""
    kind = CARD_EVENTS.get(changed.what)
    if kind is None:
        return
    customer_id = await _customer_of(changed.session, changed.merchant_id, changed.pass_id)
    data = {"pass_id": changed.pass_id, "customer_id": customer_id}
    await record_event(
        changed.session,
        Happened(changed.merchant_id, kind, changed.now, customer_id=customer_id, data=data),
    )


async def on_customer_changed(changed: CustomerChanged) -> None:
    """Tell which details of a person changed: their names only; who may know them asks the API."""
    data = {"customer_id": changed.customer_id, "fields": list(changed.fields)}
    await record_event(
        changed.session,
        Happened(
            changed.merchant_id,
            "customer.changed",
            changed.now,
            customer_id=changed.customer_id,
            data=data,
        ),
    )


async def on_tier_changed(changed: TierChanged) -> None:
    """Tell of a card that reached or left a level."""
    customer_id = await _customer_of(changed.session, changed.merchant_id, changed.pass_id)
    data = {
        "pass_id": changed.pass_id,
        "customer_id": customer_id,
        "before": changed.before,
        "after": changed.after,
    }
    await record_event(
        changed.session,
        Happened(changed.merchant_id, "tier.changed", changed.now, customer_id=customer_id, data=data),
    )


async def on_usage(told: UsageTold) -> None:
    """Tell of a limit that came near or was reached, and of a month that was counted to its end.

    Whoever counts tells each once. What came late to a closed month is told on its own, so that no key stops it.
    """
    data = {"month": f"{told.month:%Y-%m}", **told.facts}
    await record_event(told.session, Happened(told.merchant_id, told.event, told.now, data=data))


async def tell_erased(session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, now: datetime) -> None:
    """Tell of a person who is forgotten, so that other programs forget them, too."""
    happened = Happened(
        merchant_id, "customer.erased", now, str(customer_id), customer_id, {"customer_id": customer_id}
    )
    await record_event(session, happened)


async def _customer_of(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> UUID:
    return (await get_card_row(session, merchant_id, pass_id)).customer_id
