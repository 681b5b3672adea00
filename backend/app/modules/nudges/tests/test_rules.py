"""Placeholders, quiet hours, birthdays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from app.modules.nudges.rules import KINDS, birthdays_on, fill, quiet_until, unknown_places


@pytest.mark.parametrize(
    ("text", "facts", "filled"),
    [
        ("Hello {name}", {"name": "Anna"}, "Hello Anna"),
        ("Hello {name}", {"name": "{reward}", "reward": "x"}, "Hello {reward}"),
        ("Hello {name}\n\nx", {"name": ""}, "Hello\n\nx"),
        ("Happy birthday, {name}!", {"name": ""}, "Happy birthday!"),
        ("{{name}}", {"name": "A"}, "{A}"),
        ("{other} {0} {} {name.__class__}", {"name": "A"}, "{other} {0} {} {name.__class__}"),
        ("{name}", {"name": "A\r\nBcc: x@example.com"}, "A Bcc: x@\u200bexample.\u200bcom"),
        (
            "{name}",
            {"name": "https://evil.example/win"},
            "https:\u200b/\u200b/\u200bevil.\u200bexample/\u200bwin",
        ),
        ("{shop}", {"shop": "kaffi.example"}, "kaffi.example"),
    ],
)
def test_a_text_is_filled_once(text: str, facts: dict[str, str], filled: str) -> None:
    """Facts go into their places and are never read again; nothing else in braces means anything."""
    assert fill(text, facts) == filled


def test_unknown_places_are_named() -> None:
    """Each once, as it was written; those that are known are not."""
    assert unknown_places("{name} {nmae} {stamps} {nmae}", ("name",)) == ["{nmae}", "{stamps}"]


def test_our_own_words_name_only_what_there_is() -> None:
    """No default text has a place that its kind does not fill."""
    for kind in KINDS.values():
        assert unknown_places(kind.subject + kind.text, kind.places) == []


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 11, 20, 18, 59, tzinfo=UTC), None),  # 19:59 in Luxembourg
        (datetime(2026, 11, 20, 19, 0, tzinfo=UTC), datetime(2026, 11, 21, 8, 0, tzinfo=UTC)),
        (datetime(2026, 11, 21, 7, 59, tzinfo=UTC), datetime(2026, 11, 21, 8, 0, tzinfo=UTC)),
        (datetime(2026, 11, 21, 8, 0, tzinfo=UTC), None),
        # The night in which the clock goes forward: 9:00 is an hour earlier in UTC.
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 7, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_the_shops(now: datetime, until: datetime | None) -> None:
    """From 20:00 to 9:00 by the shop's clock, over midnight and over a change of the clock."""
    assert quiet_until(now, zone="Europe/Luxembourg", begin=time(20), end=time(9)) == until


def test_equal_ends_mean_no_quiet_hours() -> None:
    """The same begin and end keeps nothing back."""
    now = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    assert quiet_until(now, zone="UTC", begin=time(9), end=time(9)) is None


@pytest.mark.parametrize(
    ("today", "celebrated"),
    [
        (date(2027, 2, 28), ((2, 28), (2, 29))),
        (date(2028, 2, 28), ((2, 28),)),
        (date(2028, 2, 29), ((2, 29),)),
        (date(2027, 3, 1), ((3, 1),)),
        (date(2100, 2, 28), ((2, 28), (2, 29))),
    ],
)
def test_a_leap_days_child_celebrates_every_year(
    today: date, celebrated: tuple[tuple[int, int], ...]
) -> None:
    """On 28 February in common years, on the day itself in leap years; never twice in one year."""
    assert birthdays_on(today) == celebrated
