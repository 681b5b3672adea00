"""Crowds, closed hours, and what becomes of a finding: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.kernel.i18n import use_language
from app.modules.fraud.presenting import span_text
from app.modules.fraud.rules import EVENTS_KEPT_MAX, Event, Standing, crowd, is_open, may_alert, merge
from app.utils.id_generator import new_id

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday; 13:00 in Luxembourg
WINDOW = timedelta(minutes=15)
ZONE = "Europe/Luxembourg"


@dataclass(frozen=True)
class Seen:
    """A moment with an id."""

    at: datetime
    id: UUID = field(default_factory=new_id)


def at_minutes(*minutes: float) -> list[Seen]:
    """Return events so many minutes after noon."""
    return [Seen(NOON + timedelta(minutes=minute)) for minute in minutes]


def test_crowd_begins_above_the_number_and_within_the_stretch():
    """Three in fifteen minutes are fine where three are allowed; the fourth makes a crowd of all four."""
    assert crowd(at_minutes(0, 5, 10), window=WINDOW, most=3) == []
    four = at_minutes(0, 5, 10, 14.9)
    assert crowd(four, window=WINDOW, most=3) == four
    assert crowd(at_minutes(0, 5, 10, 15), window=WINDOW, most=3) == []


def test_crowd_leaves_out_what_is_calm():
    """Only the hurried stretch is shown, in order, whatever order it came in."""
    hurried, calm = at_minutes(60, 61, 62), at_minutes(0, 30, 120)
    assert (
        crowd([calm[2], hurried[1], calm[0], hurried[2], hurried[0], calm[1]], window=WINDOW, most=2)
        == hurried
    )


HOURS = {"fri": [["08:00", "12:00"], ["13:30", "24:00"]], "sat": [["09:00", "13:00"]]}


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-20 07:44", False),
        ("2026-11-20 07:45", True),
        ("2026-11-20 12:15", True),
        ("2026-11-20 12:16", False),
        ("2026-11-20 23:59", True),
        ("2026-11-21 00:15", True),
        ("2026-11-21 00:16", False),
        ("2026-11-22 12:00", False),
    ],
)
def test_opening_hours_have_a_margin_at_both_ends(local, expected):
    """A quarter of an hour around each span is normal, past midnight too; a day without spans is closed."""
    moment = (datetime.fromisoformat(local) - timedelta(hours=1)).replace(tzinfo=UTC)
    assert is_open(moment, HOURS, time_zone=ZONE, tolerance=timedelta(minutes=15)) is expected


def test_store_without_hours_is_never_closed():
    """Nobody said when it is open."""
    assert is_open(NOON, {}, time_zone=ZONE, tolerance=timedelta())


def events(*minutes: float) -> tuple[Event, ...]:
    """Return events as findings keep them."""
    return tuple(Event(new_id(), NOON + timedelta(minutes=minute)) for minute in minutes)


def test_new_and_open_findings_take_in_what_is_seen():
    """The same event is kept once; more of an open finding is no news."""
    first = events(0, 1)
    assert merge(None, first, least=2).is_news
    more = events(2)
    merged = merge(Standing("open", None, first), [*first, *more], least=2)
    assert (merged.status, merged.events, merged.is_news) == ("open", first + more, False)


def test_decided_finding_comes_back_only_when_it_goes_on():
    """One visit short of the rule's number after the decision it stays decided; with it, it is open and news."""
    decided = Standing("dismissed", NOON + timedelta(minutes=5), events(0, 1, 5))
    later = events(6, 7, 8)
    assert merge(decided, later[:2], least=3).status == "dismissed"
    again = merge(decided, later, least=3)
    assert (again.status, again.is_news, len(again.events)) == ("open", True, 6)


def test_finding_keeps_the_newest_events():
    """However long it goes on, its row stays small."""
    many = events(*range(EVENTS_KEPT_MAX + 5))
    assert merge(None, many, least=1).events == many[5:]


def test_mails_wait_an_hour():
    """A second before the hour is over no mail goes out; at the hour one may."""
    hour = timedelta(hours=1)
    assert may_alert(None, every=hour, now=NOON)
    assert not may_alert(NOON, every=hour, now=NOON + hour - timedelta(seconds=1))
    assert may_alert(NOON, every=hour, now=NOON + hour)


def test_a_span_is_told_at_the_stores_clock() -> None:
    """Twenty past eleven to ten past midnight in Luxembourg are two days there, though one in UTC."""
    first = datetime(2026, 11, 20, 22, 20, tzinfo=UTC)

    with use_language("en"):
        over_midnight = span_text(first, first + timedelta(minutes=50), "Europe/Luxembourg")
        one_evening = span_text(first, first + timedelta(minutes=30), "Europe/Luxembourg")

    assert over_midnight == "20 Nov 2026, 23:20 – 21 Nov 2026, 00:10"
    assert one_evening == "20 Nov 2026, 23:20 – 23:50"
