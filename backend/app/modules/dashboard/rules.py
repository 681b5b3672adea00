"""Days by the calendar of a place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: from start, up to but without end; aware, UTC."""

    start: datetime
    end: datetime


def local_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return a wall-clock moment of a zone as UTC."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def day_span(day: date, zone: ZoneInfo) -> Span:
    """Return a local day; 23 or 25 hours where the clocks change."""
    return Span(local_moment(day, time.min, zone), local_moment(day + timedelta(days=1), time.min, zone))


def today_span(now: datetime, time_zone: str) -> Span:
    """Return the local day so far."""
    zone = ZoneInfo(time_zone)
    return Span(local_moment(now.astimezone(zone).date(), time.min, zone), now)


def day_part(now: datetime, time_zone: str) -> str:
    """Return morning, afternoon or evening in a zone, for the greeting."""
    hour = now.astimezone(ZoneInfo(time_zone)).hour
    return "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
