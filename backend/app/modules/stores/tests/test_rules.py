"""Pure decisions about programmes and opening hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.modules.stores.rules import (
    expiry_since,
    hours_text,
    may_become,
    parse_hours_text,
    parse_opening_hours,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
OFF = {
    "points_expiry": "never",
    "points_expiry_months": 12,
    "points_expiry_since": None,
    "stamps_expiry_months": None,
    "stamps_expiry_since": None,
}
ON = {
    "points_expiry": "after_earned",
    "points_expiry_months": 12,
    "points_expiry_since": EARLIER,
    "stamps_expiry_months": 6,
    "stamps_expiry_since": EARLIER,
}


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("stamps", "stamps", True),
        ("stamps", "hybrid", True),
        ("points", "hybrid", True),
        ("stamps", "points", False),
        ("points", "stamps", False),
        ("hybrid", "stamps", False),
        ("hybrid", "points", False),
    ],
)
def test_a_programme_only_widens(old: str, new: str, allowed: bool) -> None:
    """What is on the cards must keep its meaning."""
    assert may_become(old, new) is allowed


@pytest.mark.parametrize(
    ("current", "changes", "moved"),
    [
        (OFF, {}, {}),
        (OFF, {"points_expiry_months": 6}, {}),
        (OFF, {"points_expiry": "after_earned"}, {"points_expiry_since": NOW}),
        (OFF, {"stamps_expiry_months": 3}, {"stamps_expiry_since": NOW}),
        (ON, {"points_expiry": "never"}, {"points_expiry_since": None}),
        (ON, {"points_expiry": "after_last_visit"}, {"points_expiry_since": NOW}),
        (ON, {"points_expiry_months": 11}, {"points_expiry_since": NOW}),
        (ON, {"points_expiry_months": 13}, {}),
        (ON, {"stamps_expiry_months": 5}, {"stamps_expiry_since": NOW}),
        (ON, {"stamps_expiry_months": 7}, {}),
        (ON, {"stamps_expiry_months": None}, {"stamps_expiry_since": None}),
    ],
)
def test_expiry_counts_from_when_it_was_made_stricter(
    current: dict[str, Any], changes: dict[str, Any], moved: dict[str, Any]
) -> None:
    """Switching on, changing kind and shortening start anew; lengthening does not."""
    assert expiry_since(changes, current, NOW) == moved


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        ("8-12", [["08:00", "12:00"]]),
        ("13:30 - 18:00, 08:00–12:00", [["08:00", "12:00"], ["13:30", "18:00"]]),
        ("9h30-24:00", [["09:30", "24:00"]]),
    ],
)
def test_typed_hours_are_understood(text: str, spans: list[list[str]]) -> None:
    """Short forms, several spans and any dash are understood; the result reads back the same."""
    assert parse_hours_text(text) == spans
    assert parse_hours_text(hours_text(spans)) == spans


@pytest.mark.parametrize(
    "text", ["late", "8", "12-8", "8-8", "8-12, 11-13", "25-26", "1-2,3-4,5-6,7-8", "8-9-10"]
)
def test_impossible_hours_are_refused(text: str) -> None:
    """Spans that end early, overlap or are too many are refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_hours_text(text)


@pytest.mark.parametrize(
    "value", [[], "mon", {"mon": "8-12"}, {"mon": [["8"]]}, {"mon": [[8, 12]]}, {"x": []}]
)
def test_odd_json_hours_are_refused(value: Any) -> None:
    """Anything but weekdays with spans is refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_opening_hours(value)
