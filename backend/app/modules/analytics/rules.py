"""Which days are looked at, what they are compared with, and into which segment a customer falls. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from app.kernel.i18n import msg
from app.kernel.reports import Period

# What a page may ask for; the longest is two years and a bit, so that a year and the one before are both there.
DAYS_MAX = 800
# All of whole weeks, so that a Saturday stands beside a Saturday of the period before.
PRESETS: dict[str, tuple[str, int]] = {
    "7": (msg("7 days"), 7),
    "28": (msg("4 weeks"), 28),
    "91": (msg("3 months"), 91),
    "364": (msg("12 months"), 364),
}
PRESET_DEFAULT = "28"
COMPARISONS = {
    "before": msg("the period before"),
    "year": msg("the year before"),
    "none": msg("nothing"),
}
# A year is compared by whole weeks: a Saturday with a Saturday.
YEAR_DAYS = 364
DAILY_UP_TO_DAYS = 45
WEEKLY_UP_TO_DAYS = 200


def choose_period(preset: str, start: date | None, end: date | None, *, today: date) -> Period:
    """Return the days asked for: two dates win over a preset; never after today, never longer than DAYS_MAX."""
    if start is not None and end is not None:
        first, last = min(start, end), min(max(start, end), today)
        first = max(min(first, last), last - timedelta(days=DAYS_MAX - 1))
        return Period(first, last)
    days = PRESETS.get(preset, PRESETS[PRESET_DEFAULT])[1]
    return Period(today - timedelta(days=days - 1), today)


def period_before(period: Period, comparison: str) -> Period | None:
    """Return what a period is compared with."""
    if comparison == "none":
        return None
    back = YEAR_DAYS if comparison == "year" else period.days
    return Period(period.start - timedelta(days=back), period.end - timedelta(days=back))


def step_of(period: Period) -> str:
    """Return whether a chart of the period has a bar for each day, week or month."""
    if period.days <= DAILY_UP_TO_DAYS:
        return "day"
    return "week" if period.days <= WEEKLY_UP_TO_DAYS else "month"


def steps_of(period: Period, step: str) -> list[Period]:
    """Cut a period into days, weeks from Monday, or months; the first and last may be shorter."""
    found: list[Period] = []
    start = period.start
    while start <= period.end:
        if step == "day":
            end = start
        elif step == "week":
            end = start + timedelta(days=6 - start.weekday())
        else:
            end = start.replace(day=monthrange(start.year, start.month)[1])
        found.append(Period(start, min(end, period.end)))
        start = end + timedelta(days=1)
    return found


def month_before(day: date) -> date:
    """Return the same day of the month before, or its last day."""
    last = day.replace(day=1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def ratio_of(part: float, whole: float) -> float | None:
    """Return a share; None where there is nothing to divide by."""
    return part / whole if whole else None


def change_of(value: float | None, before: float | None) -> float | None:
    """Return how much a figure moved, as a ratio; None where there is nothing to compare with."""
    if value is None or not before:
        return None
    return (value - before) / before


@dataclass(frozen=True, slots=True)
class Segment:
    """A group of customers by how often they came and when last. days and visits: from, up to (None: no limit)."""

    key: str
    title: str
    about: str
    tone: str


REGULAR_VISITS = 5
SEGMENTS = (
    Segment("champions", msg("Regulars"), msg("5 visits or more, the last within 30 days."), "1"),
    Segment("loyal", msg("Coming back"), msg("2 to 4 visits, the last within 30 days."), "2"),
    Segment("new", msg("New"), msg("One visit so far, within the last 30 days."), "3"),
    Segment("slipping", msg("Slipping away"), msg("5 visits or more, the last 31 to 90 days ago."), "4"),
    Segment("cooling", msg("Cooling off"), msg("2 to 4 visits, the last 31 to 90 days ago."), "5"),
    Segment("once", msg("Came once"), msg("One visit, more than 30 days ago."), "6"),
    Segment("lost", msg("Gone quiet"), msg("2 visits or more, the last more than 90 days ago."), "7"),
    Segment("never", msg("Not yet"), msg("A card, and no visit so far."), "8"),
)
RECENT_DAYS = 30
QUIET_DAYS = 90


def segment_of(visits: int, days_ago: int) -> str:
    """Return the segment of a customer with so many visits, the last so many days ago."""
    if visits == 0:
        return "never"
    if visits == 1:
        return "new" if days_ago <= RECENT_DAYS else "once"
    often = visits >= REGULAR_VISITS
    if days_ago <= RECENT_DAYS:
        return "champions" if often else "loyal"
    if days_ago <= QUIET_DAYS:
        return "slipping" if often else "cooling"
    return "lost"


@dataclass(frozen=True, slots=True)
class People:
    """Customers who were last there on a day after so many visits."""

    last_day: date
    visits: int
    customers: int
    all_visits: int
    amount_minor: int
    span_days: int
    redeemers: int


def scores_by(people: Sequence[People], key: Iterable[float]) -> list[int]:
    """Give each row 1 to 5, a fifth of the customers each, by a value: the highest fifth gets 5."""
    order = sorted(zip(key, range(len(people)), strict=True))
    total = sum(row.customers for row in people)
    scores = [1] * len(people)
    seen = 0
    # Equal values get equal scores: customers who are alike are not told apart by chance.
    for _value, alike in groupby(order, key=lambda pair: pair[0]):
        indexes = [index for _same, index in alike]
        count = sum(people[index].customers for index in indexes)
        for index in indexes:
            scores[index] = min(5, int((seen + count / 2) * 5 / total) + 1) if total else 1
        seen += count
    return scores
