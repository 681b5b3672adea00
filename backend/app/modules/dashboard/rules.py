"""The stretches of time that the home page compares, and how a difference is said. Pure."""

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


@dataclass(frozen=True, slots=True)
class Spans:
    """Today and this week so far, each with the same stretch a week earlier."""

    today: Span
    today_before: Span
    week: Span
    week_before: Span


def local_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return a wall-clock moment of a zone as UTC."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def day_span(day: date, zone: ZoneInfo) -> Span:
    """Return a local day; 23 or 25 hours where the clocks change."""
    return Span(local_moment(day, time.min, zone), local_moment(day + timedelta(days=1), time.min, zone))


def home_spans(now: datetime, time_zone: str) -> Spans:
    """Return what the home page compares: like with like, up to the same wall-clock time a week ago."""
    zone = ZoneInfo(time_zone)
    local = now.astimezone(zone)
    today, clock = local.date(), local.time()
    monday = today - timedelta(days=today.weekday())
    week = timedelta(days=7)
    now_before = local_moment(today - week, clock, zone)
    return Spans(
        today=Span(local_moment(today, time.min, zone), now),
        today_before=Span(local_moment(today - week, time.min, zone), now_before),
        week=Span(local_moment(monday, time.min, zone), now),
        week_before=Span(local_moment(monday - week, time.min, zone), now_before),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure moved. ratio: +0.12 is 12 % more; None where there was nothing to compare with."""

    ratio: float | None
    direction: str


def change_of(figure: int, before: int) -> Change:
    """Return how a figure stands against the one before."""
    if before == 0:
        return Change(None, "up" if figure > 0 else "")
    ratio = (figure - before) / before
    return Change(ratio, "up" if ratio > 0 else "down" if ratio < 0 else "")


def day_part(now: datetime, time_zone: str) -> str:
    """Return morning, afternoon or evening in a zone, for the greeting."""
    hour = now.astimezone(ZoneInfo(time_zone)).hour
    return "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
