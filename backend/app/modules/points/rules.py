"""What a purchase does to the points of a card: pure decisions."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from zoneinfo import ZoneInfo

ROUNDINGS = {"down": ROUND_DOWN, "half_up": ROUND_HALF_UP, "up": ROUND_UP}
POINTS_A_VISIT_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """The programme's rules for points. expiry: never, after_last_visit or after_earned (months)."""

    points_per_unit: Decimal
    rounding: str
    expiry: str
    expiry_months: int


def exact_points(amount: Decimal, points_per_unit: Decimal) -> Decimal:
    """Convert a purchase into points, not rounded yet: modifiers come between, and rounding happens once, last.

    amount: major units of the store's currency, tax included; above zero.
    Source: seed document, section 4.3 ("€1 = 1 point").
    """
    if amount <= 0:
        raise ValueError("points are never given for zero or less")
    return amount * points_per_unit


def round_points(points: Decimal, rounding: str) -> int:
    """Round to whole points, down unless the programme says otherwise; at most POINTS_A_VISIT_MAX."""
    return min(int(points.to_integral_value(ROUNDINGS[rounding])), POINTS_A_VISIT_MAX)


def points_for(amount: Decimal, points_per_unit: Decimal, *, rounding: str = "down") -> int:
    """Convert a purchase into whole points, with no modifier in between."""
    return round_points(exact_points(amount, points_per_unit), rounding)


def add_months(at: datetime, months: int, *, time_zone: str) -> datetime:
    """Return the moment so many calendar months later on the clock of the zone; 31 January + 1 = end of February.

    at: aware. The result is in UTC; where the local time does not exist (clocks go forward) it is an hour later.
    """
    zone = ZoneInfo(time_zone)
    local = at.astimezone(zone)
    index = local.year * 12 + local.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(at.tzinfo)


def lot_expiry(policy: PointsPolicy, *, earned_at: datetime, time_zone: str) -> datetime | None:
    """Return when points earned now expire, or None where that depends on the last visit or never happens."""
    if policy.expiry != "after_earned":
        return None
    return add_months(earned_at, policy.expiry_months, time_zone=time_zone)
