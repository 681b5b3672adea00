"""From the decision to the rows of the one write: pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.kernel.errors import Invalid
from app.kernel.money import to_minor
from app.modules.points.public import PointsPolicy, lot_expiry
from app.modules.rewards.public import CardTotals, is_unlocked, state_answer
from app.modules.stamps.public import StampGranted, next_stamp_at
from app.modules.visits.hooks import EarnContext
from app.modules.visits.rules import ExplanationLine, VisitGranted, local_day, visits_on
from app.modules.visits.statements import AwardRows, LoadedAward
from app.utils.id_generator import new_id


def build_rows(
    context: EarnContext,
    loaded: LoadedAward,
    granted: VisitGranted,
    *,
    scope: str,
    key: str | None,
    fingerprint: bytes | None,
) -> AwardRows:
    """Turn the decision into everything the write statement needs, the stored answer included."""
    now, staff = context.now, context.staff
    day = local_day(now, loaded.time_zone)
    stamps_added = granted.stamp.stamps_added if granted.stamp else 0
    stamps, totals = _stamp_entries(loaded, granted.stamp)
    points_after = totals.points_balance + granted.points
    totals = CardTotals(totals.stamp_count, points_after, totals.banked, totals.kept)
    points, lots = _points_entries(loaded, granted, after=points_after, now=now)
    visit_id = new_id()
    known = (
        loaded.known_stores
        if context.store_id in loaded.known_stores
        else (*loaded.known_stores, context.store_id)
    )
    return AwardRows(
        merchant_id=context.merchant_id,
        pass_id=context.pass_id,
        store_id=context.store_id,
        scope=scope,
        key=key,
        fingerprint=fingerprint,
        answer=_answer(context, loaded, granted, totals=totals, visit_id=visit_id),
        now=now,
        totals=totals,
        reward_unlocked=is_unlocked(totals, loaded.rewards),
        stamps_added=stamps_added,
        points_added=granted.points,
        first_stamp_at=_first_stamp_at(loaded, granted.stamp, totals, now),
        visits_day=day,
        visits_today=visits_on(context.state, day) + 1,
        known_stores=known,
        visit_id=visit_id,
        staff_id=staff.id if staff.via in {"pin", "device", "member"} else None,
        given_by=staff.via,
        device_id=staff.device_id,
        source=context.source,
        amount_minor=_amount_minor(context.request.amount, loaded.currency),
        currency=loaded.currency,
        explanation=[_line_facts(line, points=str(line.points)) for line in granted.lines],
        stamps=stamps,
        points=points,
        lots=lots,
    )


def _stamp_entries(
    loaded: LoadedAward, stamp: StampGranted | None
) -> tuple[list[dict[str, Any]], CardTotals]:
    totals = loaded.totals
    if stamp is None:
        return [], totals
    rule = {"stamps_needed": loaded.stamps_needed, "full_card": loaded.full_card}
    after = totals.stamp_count + stamp.stamps_added
    entries = [
        {"id": str(new_id()), "kind": "earn", "amount": stamp.stamps_added, "after": after, "rule": rule}
    ]
    banked = dict(totals.banked)
    if stamp.banked:
        reward = max(
            (reward for reward in loaded.rewards if reward.kind == "stamps" and reward.active),
            key=lambda reward: reward.threshold,
        )
        taken = stamp.banked * loaded.stamps_needed
        after -= taken
        banked[reward.id] = banked.get(reward.id, 0) + stamp.banked
        rule = rule | {"reward_id": str(reward.id), "banked": stamp.banked}
        entries.append({"id": str(new_id()), "kind": "bank", "amount": -taken, "after": after, "rule": rule})
    return entries, CardTotals(after, totals.points_balance, banked, totals.kept)


def _points_entries(
    loaded: LoadedAward, granted: VisitGranted, *, after: int, now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if granted.points <= 0:
        return [], []
    policy = PointsPolicy(
        loaded.points_per_unit, loaded.rounding, loaded.points_expiry, loaded.points_expiry_months
    )
    expires_at = lot_expiry(policy, earned_at=now, time_zone=loaded.time_zone)
    entry_id = str(new_id())
    rule = {
        "points_per_unit": str(loaded.points_per_unit),
        "rounding": loaded.rounding,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }
    entry = {"id": entry_id, "amount": granted.points, "after": after, "rule": rule}
    # Points earned while the balance is below zero fill the debt first; only the rest can be spent.
    remaining = max(0, min(granted.points, after))
    lot = {"id": entry_id, "remaining": remaining, "expires_at": rule["expires_at"]}
    return [entry], [lot]


def _first_stamp_at(
    loaded: LoadedAward, stamp: StampGranted | None, totals: CardTotals, now: datetime
) -> datetime | None:
    if stamp is None:
        return loaded.first_stamp_at
    if totals.stamp_count == 0:
        return None
    starts_anew = stamp.banked > 0 or loaded.first_stamp_at is None or loaded.totals.stamp_count == 0
    return now if starts_anew else loaded.first_stamp_at


def _amount_minor(amount: Decimal | None, currency: str) -> int | None:
    if amount is None:
        return None
    try:
        return to_minor(amount, currency)
    except ValueError as error:
        raise Invalid("amount", extra={"fields": {"amount": str(error)}}) from error


def _answer(
    context: EarnContext, loaded: LoadedAward, granted: VisitGranted, *, totals: CardTotals, visit_id: UUID
) -> dict[str, Any]:
    stamp = granted.stamp
    last_stamp_at = context.now if stamp else context.state.last_stamp_at
    next_at = next_stamp_at(last_stamp_at, context.policy.stamps.cooldown)
    refused = granted.stamp_refused
    return state_answer(context.pass_id, totals, loaded.rewards, stamps_needed=loaded.stamps_needed) | {
        "visit_id": str(visit_id),
        "stamps_added": stamp.stamps_added if stamp else 0,
        "stamps_left_over": stamp.left_over if stamp else 0,
        "points_added": granted.points,
        "stamp_refused": refused.code if refused else None,
        "given_by_id": str(context.staff.id) if context.staff.id else None,
        "next_possible_at": next_at.isoformat().replace("+00:00", "Z")
        if next_at and context.policy.loyalty_type != "points"
        else None,
        "explanation": [_line_facts(line, points=f"{line.points.normalize():f}") for line in granted.lines],
    }


def _line_facts(line: ExplanationLine, *, points: str) -> dict[str, Any]:
    facts = {"rule": line.rule, "points": points, "detail": line.detail}
    return facts | ({"amount_minor": line.amount_minor} if line.amount_minor else {})
