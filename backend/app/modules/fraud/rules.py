"""When visits look odd: crowds in time, hours in which a shop is closed, and what becomes of a known finding. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Enough to judge by; a finding of more events says how many there are.
EVENTS_KEPT_MAX = 200

Status = Literal["open", "dismissed", "confirmed"]


class Timed(Protocol):
    """Anything that happened at a moment."""

    @property
    def id(self) -> UUID:
        """Return its id."""
        ...

    @property
    def at(self) -> datetime:
        """Return when it happened."""
        ...


T = TypeVar("T", bound=Timed)


def crowd(events: Sequence[T], *, window: timedelta, most: int) -> list[T]:
    """Return the events that lie in any stretch of `window` holding more than `most` of them, oldest first."""
    ordered = sorted(events, key=lambda event: (event.at, event.id))
    crowded: set[UUID] = set()
    first = 0
    for last, event in enumerate(ordered):
        while event.at - ordered[first].at >= window:
            first += 1
        if last - first + 1 > most:
            crowded.update(one.id for one in ordered[first : last + 1])
    return [event for event in ordered if event.id in crowded]


def is_open(
    at: datetime, hours: Mapping[str, Sequence[Sequence[str]]], *, time_zone: str, tolerance: timedelta
) -> bool:
    """Tell whether a store is open at a moment, give or take the tolerance; one without any hours always is."""
    if not hours:
        return True
    local = at.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    for day in (local.date() - timedelta(days=1), local.date(), local.date() + timedelta(days=1)):
        for begin, end in hours.get(WEEKDAYS[day.weekday()], ()):
            if _moment(day, begin) - tolerance <= local <= _moment(day, end) + tolerance:
                return True
    return False


def _moment(day: date, text: str) -> datetime:
    hour, minute = (int(part) for part in text.split(":"))
    return datetime.combine(day, time()) + timedelta(hours=hour, minutes=minute)


def local_day(at: datetime, time_zone: str) -> date:
    """Return the calendar day of a moment at a store."""
    return at.astimezone(ZoneInfo(time_zone)).date()


@dataclass(frozen=True, slots=True)
class Event:
    """A visit as a finding keeps it."""

    id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding as it stands in the table."""

    status: Status
    decided_at: datetime | None
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a finding becomes: its events, newest kept, and whether somebody must look at it (again)."""

    status: Status
    events: tuple[Event, ...]
    is_news: bool


def merge(standing: Standing | None, seen: Sequence[Event], *, least: int) -> Merged:
    """Join what was seen now to what is known.

    A finding somebody has decided on stays decided, until `least` events have come since then.
    """
    known = {event.id: event for event in (standing.events if standing else ())}
    known |= {event.id: event for event in seen}
    events = tuple(sorted(known.values(), key=lambda event: (event.at, event.id))[-EVENTS_KEPT_MAX:])
    if standing is None:
        return Merged("open", events, is_news=True)
    if standing.status == "open" or standing.decided_at is None:
        return Merged("open", events, is_news=False)
    since = [event for event in events if event.at > standing.decided_at]
    if len(since) >= least:
        return Merged("open", events, is_news=True)
    return Merged(standing.status, events, is_news=False)


def may_alert(last: datetime | None, *, every: timedelta, now: datetime) -> bool:
    """Tell whether a mail about unusual speed may be sent: one in any stretch of `every`."""
    return last is None or now - last >= every
