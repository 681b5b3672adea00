"""Which level a card holds, and until when: pure decisions over the days on which something was bought.

A level is reached on the day on which enough has been bought within the window, and is held to the end of its period,
whatever happens meanwhile: points are spent, visits are taken back, thresholds are raised. On the day after the period
(and the days of grace that lengthen it) it is looked at again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Level:
    """A level. threshold: points, minor units or visits. removed: nobody reaches it any more; who has it keeps it."""

    id: str
    name: str
    threshold: int
    multiplier: Decimal = Decimal(1)
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Scheme:
    """How levels are reached and lost.

    window: calendar_year, rolling (the last `days`) or since_joining. downgrade: earned (to the level that what was
    bought is enough for) or one_step (one level down at most).
    """

    window: str
    days: int = 365
    grace_days: int = 0
    downgrade: str = "earned"


@dataclass(frozen=True, slots=True)
class Entry:
    """What counts on a day. taken_back_on: from that day on it does not."""

    day: date
    amount: int
    taken_back_on: date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a card holds. seen_on: the last day that was looked at.

    since, period_end, held_until: None without a level; held_until is the period's end and the grace after it.
    """

    seen_on: date
    level_id: str | None = None
    since: date | None = None
    period_end: date | None = None
    held_until: date | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A level changed. why: reached, lapsed."""

    on: date
    before: str | None
    after: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Projection:
    """What is ahead. missing: to the next level, by a day where the window has an end. keep_missing: to keep it."""

    next_level: Level | None
    missing: int
    by: date | None
    keep_missing: int
    keep_by: date | None


def level_for(levels: Sequence[Level], qualifying: int) -> Level | None:
    """Return the highest level whose threshold is reached, or None below all of them."""
    reached = [level for level in levels if not level.removed and max(0, qualifying) >= level.threshold]
    return max(reached, key=_threshold, default=None)


def _threshold(level: Level) -> int:
    return level.threshold


def _rank(level: Level | None) -> int:
    return -1 if level is None else level.threshold


def find_level(levels: Sequence[Level], level_id: str | None) -> Level | None:
    """Return the level with this id, removed or not."""
    return next((level for level in levels if level.id == level_id), None)


def qualifying(entries: Sequence[Entry], start: date, end: date, *, as_of: date) -> int:
    """Return what counts from start to end, both within it, as it stood on a day: later refunds are later."""
    return sum(
        entry.amount
        for entry in entries
        if start <= entry.day <= end and (entry.taken_back_on is None or entry.taken_back_on > as_of)
    )


def window_start(scheme: Scheme, day: date, *, joined: date) -> date:
    """Return from which day on purchases count on this day."""
    if scheme.window == "calendar_year":
        return date(day.year, 1, 1)
    if scheme.window == "rolling":
        return day - timedelta(days=scheme.days - 1)
    return joined


def period_end(scheme: Scheme, day: date, *, joined: date) -> date:
    """Return the last day of the period that begins or is under way on a day."""
    if scheme.window == "calendar_year":
        return date(day.year, 12, 31)
    if scheme.window == "rolling":
        return day + timedelta(days=scheme.days - 1)
    year = day.year if _anniversary(joined, day.year) > day else day.year + 1
    return _anniversary(joined, year) - ONE_DAY


def _anniversary(joined: date, year: int) -> date:
    """Return the day of joining in another year; 29 February is the 28th in common years."""
    try:
        return joined.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def place(
    entries: Sequence[Entry], levels: Sequence[Level], scheme: Scheme, *, joined: date, today: date
) -> Standing:
    """Return where a card begins when levels are introduced: by what counts today, without any move."""
    counted = qualifying(entries, window_start(scheme, today, joined=joined), today, as_of=today)
    return _hold(level_for(levels, counted), scheme, Standing(today), day=today, joined=joined)


def walk(
    standing: Standing,
    entries: Sequence[Entry],
    levels: Sequence[Level],
    scheme: Scheme,
    *,
    joined: date,
    today: date,
) -> tuple[Standing, list[Move]]:
    """Go through the days since the card was looked at, in order, and return where it stands and what moved.

    A run that comes days late finds the same as one that came every day.
    """
    moves: list[Move] = []
    busy = sorted({entry.day for entry in entries if standing.seen_on <= entry.day <= today} | {today})
    for day in busy:
        while standing.held_until is not None and standing.held_until < day:
            before, standing = standing, _look_again(standing, entries, levels, scheme, joined=joined)
            moves += _moved(before, standing, standing.seen_on, "lapsed")
        before, standing = standing, _reach(standing, entries, levels, scheme, day=day, joined=joined)
        moves += _moved(before, standing, day, "reached")
    return replace(standing, seen_on=today), moves


def _moved(before: Standing, after: Standing, on: date, why: str) -> list[Move]:
    if before.level_id == after.level_id:
        return []
    return [Move(on, before.level_id, after.level_id, why)]


def _reach(
    standing: Standing,
    entries: Sequence[Entry],
    levels: Sequence[Level],
    scheme: Scheme,
    *,
    day: date,
    joined: date,
) -> Standing:
    """Move up on the day on which enough counts; never down."""
    counted = qualifying(entries, window_start(scheme, day, joined=joined), day, as_of=day)
    reached = level_for(levels, counted)
    if _rank(reached) <= _rank(find_level(levels, standing.level_id)):
        return standing
    return _hold(reached, scheme, standing, day=day, joined=joined)


def _look_again(
    standing: Standing, entries: Sequence[Entry], levels: Sequence[Level], scheme: Scheme, *, joined: date
) -> Standing:
    """Decide on the day after the period and its grace, by what was bought in both."""
    assert standing.period_end is not None
    assert standing.held_until is not None
    held = find_level(levels, standing.level_id)
    day = standing.held_until + ONE_DAY
    start = window_start(scheme, standing.period_end, joined=joined)
    earned = level_for(levels, qualifying(entries, start, standing.held_until, as_of=standing.held_until))
    kept = earned if _rank(earned) >= _rank(held) else _lower(held, earned, levels, scheme)
    ends = _next_end(scheme, standing.period_end, joined=joined)
    if kept is None:
        return Standing(day)
    since = standing.since if kept.id == standing.level_id else day
    return Standing(day, kept.id, since, ends, max(day, ends + timedelta(days=scheme.grace_days)))


def _lower(held: Level | None, earned: Level | None, levels: Sequence[Level], scheme: Scheme) -> Level | None:
    if scheme.downgrade != "one_step":
        return earned
    below = [level for level in levels if not level.removed and level.threshold < _rank(held)]
    return max(below, key=_threshold, default=None)


def _next_end(scheme: Scheme, ended: date, *, joined: date) -> date:
    return period_end(scheme, ended + ONE_DAY, joined=joined)


def _hold(level: Level | None, scheme: Scheme, standing: Standing, *, day: date, joined: date) -> Standing:
    if level is None:
        return Standing(standing.seen_on)
    ends = period_end(scheme, day, joined=joined)
    return Standing(standing.seen_on, level.id, day, ends, ends + timedelta(days=scheme.grace_days))


def project(
    standing: Standing,
    entries: Sequence[Entry],
    levels: Sequence[Level],
    scheme: Scheme,
    *,
    joined: date,
    today: date,
) -> Projection:
    """Return how far the next level is and what keeps this one, as it stands today."""
    start = window_start(scheme, today, joined=joined)
    counted = qualifying(entries, start, today, as_of=today)
    held = find_level(levels, standing.level_id)
    offered = sorted((one for one in levels if not one.removed), key=_threshold)
    above = bisect_left([one.threshold for one in offered], _rank(held) + 1)
    ahead = offered[above] if above < len(offered) else None
    keep_missing = 0
    if held is not None and standing.period_end is not None and standing.held_until is not None:
        period_start = window_start(scheme, standing.period_end, joined=joined)
        bought = qualifying(entries, period_start, min(today, standing.held_until), as_of=today)
        keep_missing = max(0, held.threshold - bought)
    return Projection(
        next_level=ahead,
        missing=max(0, ahead.threshold - counted) if ahead else 0,
        by=_deadline(entries, scheme, start=start, today=today) if ahead else None,
        keep_missing=keep_missing,
        keep_by=standing.held_until if keep_missing else None,
    )


def _deadline(entries: Sequence[Entry], scheme: Scheme, *, start: date, today: date) -> date | None:
    """Return until when all that counts today still counts; None where it counts for ever."""
    if scheme.window == "calendar_year":
        return date(today.year, 12, 31)
    if scheme.window == "since_joining":
        return None
    counting = [entry.day for entry in entries if start <= entry.day <= today and entry.taken_back_on is None]
    return min(counting, default=today) + timedelta(days=scheme.days - 1)
