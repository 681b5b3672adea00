"""Pure decisions: which month it is, how near a limit is, whether one more fits."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

# A limit comes near at 80 %, in whole numbers.
NEAR_OF = 5
NEAR_PARTS = 4
# Where a month ends last: 12 hours behind UTC.
LAST_ZONE = "Etc/GMT+12"


def month_of(now: datetime, *, zone: str) -> date:
    """Return the first day of the month that it is in a shop's time zone."""
    return now.astimezone(ZoneInfo(zone)).date().replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def bounds_of(month: date, *, zone: str) -> tuple[datetime, datetime]:
    """Return where a month begins and where the next one does, in UTC."""
    local = ZoneInfo(zone)
    first, after = (
        datetime.combine(day, time(), local).astimezone(UTC) for day in (month, next_month(month))
    )
    return first, after


def is_near(used: int, limit: int) -> bool:
    """Tell whether at least 80 % of a limit is used; of a limit of 0 nothing is near while nothing is used."""
    return used > 0 and used * NEAR_OF >= limit * NEAR_PARTS


def is_reached(used: int, limit: int) -> bool:
    """Tell whether all of a limit is used, and anything at all."""
    return used > 0 and used >= limit


def judge(used: int, limit: int, *, more: int) -> str:
    """Return what a plan says to some more of what it limits: fine, warn or refuse."""
    after = used + more
    if after > limit:
        return "refuse"
    return "warn" if is_near(after, limit) else "fine"
