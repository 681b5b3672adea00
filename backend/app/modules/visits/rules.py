"""Joins the rules of stamps and points into one visit: pure decisions, no session, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.kernel.outcomes import Refusal
from app.modules.points.public import exact_points, round_points
from app.modules.rewards.public import CardTotals
from app.modules.stamps.public import StampGranted, StampPolicy, StampState, decide_stamp


@dataclass(frozen=True, slots=True)
class ExplanationLine:
    """One rule's part in what was earned: a key of EARN_RULE, its points, and what its words are made from.

    amount_minor: money it gave or took, in minor units; 0 for rules of points.
    """

    rule: str
    points: Decimal
    detail: str = ""
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class EarnDraft:
    """What a visit earns before it is rounded; EARN_MODIFIER passes it from hand to hand."""

    points: Decimal = Decimal(0)
    lines: tuple[ExplanationLine, ...] = ()

    def add(self, rule: str, points: Decimal, detail: str = "") -> EarnDraft:
        """Return the draft with one more line and its points."""
        return replace(
            self, points=self.points + points, lines=(*self.lines, ExplanationLine(rule, points, detail))
        )

    def add_money(self, rule: str, amount_minor: int, detail: str = "") -> EarnDraft:
        """Return the draft with one more line that is about money; the feature itself keeps what it gives."""
        return replace(self, lines=(*self.lines, ExplanationLine(rule, Decimal(0), detail, amount_minor)))


@dataclass(frozen=True, slots=True)
class VisitPolicy:
    """The programme as a visit needs it."""

    loyalty_type: str
    stamps: StampPolicy
    points_per_unit: Decimal
    rounding: str
    visits_per_day: int
    time_zone: str
    program_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class VisitState:
    """The card as the rules need it, read under its lock."""

    totals: CardTotals
    last_stamp_at: datetime | None
    visits_day: date | None
    visits_today: int


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """What is asked for. quantity: stamps wanted, 0 for none. amount: purchase in major units, or None.

    tendered_minor: the part of it that the card itself pays (TENDER), in minor units.
    """

    quantity: int
    amount: Decimal | None
    tendered_minor: int = 0


@dataclass(frozen=True, slots=True)
class VisitGranted:
    """What the visit gives."""

    stamp: StampGranted | None
    stamp_refused: Refusal | None
    points: int
    lines: tuple[ExplanationLine, ...] = field(default_factory=tuple)


def local_day(now: datetime, time_zone: str) -> date:
    """Return the day it is at the store."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def next_day_starts(now: datetime, time_zone: str) -> datetime:
    """Return the store's next midnight, in UTC."""
    tomorrow = local_day(now, time_zone) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), ZoneInfo(time_zone)).astimezone(UTC)


def visits_on(state: VisitState, day: date) -> int:
    """Return how many visits, net of voids, the card had on the day."""
    return state.visits_today if state.visits_day == day else 0


def check_request(policy: VisitPolicy, request: VisitRequest) -> Refusal | None:
    """Refuse what the programme does not do: stamps at a points shop, amounts at a stamps shop."""
    if request.amount is not None and policy.loyalty_type == "stamps":
        return Refusal("wrong_loyalty_type")
    if request.amount is None and policy.loyalty_type == "points":
        return Refusal("wrong_loyalty_type")
    return None


def decide_cap(state: VisitState, policy: VisitPolicy, *, now: datetime) -> Refusal | None:
    """Refuse the visit above the day's cap, by the store's calendar. 0 means no cap."""
    if (
        policy.visits_per_day
        and visits_on(state, local_day(now, policy.time_zone)) + 1 > policy.visits_per_day
    ):
        return Refusal("daily_cap", retry_at=next_day_starts(now, policy.time_zone))
    return None


def decide_visit_stamps(
    state: VisitState, policy: VisitPolicy, request: VisitRequest, *, now: datetime
) -> StampGranted | Refusal | None:
    """Decide the stamps of a visit; None where none were asked for.

    A purchase at a hybrid shop brings one stamp along; its refusal is told and does not refuse the points.
    """
    if not request.quantity or policy.loyalty_type == "points":
        return None
    stamp_state = StampState(state.totals.stamp_count, state.last_stamp_at)
    return decide_stamp(stamp_state, policy.stamps, quantity=request.quantity, now=now)


def base_draft(policy: VisitPolicy, request: VisitRequest) -> EarnDraft:
    """Return the draft by the programme's own rate, before any modifier."""
    if request.amount is None:
        return EarnDraft()
    points = exact_points(request.amount, policy.points_per_unit)
    return EarnDraft().add("rate", points, f"{policy.points_per_unit.normalize():f}")


def finish_draft(policy: VisitPolicy, draft: EarnDraft) -> int:
    """Round once, last; never below zero."""
    return max(0, round_points(draft.points, policy.rounding))
