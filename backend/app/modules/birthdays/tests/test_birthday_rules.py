"""Which celebration a day belongs to, at the edges of windows, years and February."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.birthdays.rules import (
    Window,
    celebrated_in,
    due_birthdays,
    find_celebration,
    good_until,
    has_been_known,
    is_too_close,
)

WEEK = Window(days_before=7, days_after=7)
ON_THE_DAY = Window(days_before=0, days_after=0)


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2024, date(2024, 2, 29)),
        (2026, date(2026, 2, 28)),
        (2000, date(2000, 2, 29)),
        (2100, date(2100, 2, 28)),
    ],
)
def test_29_february_is_the_28th_in_common_years(year: int, expected: date) -> None:
    """Who was born on 29 February celebrates on the 28th where there is none."""
    assert celebrated_in(year, month=2, day=29) == expected


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 5, 23), None),
        (date(2026, 5, 24), date(2026, 5, 31)),
        (date(2026, 5, 31), date(2026, 5, 31)),
        (date(2026, 6, 7), date(2026, 5, 31)),
        (date(2026, 6, 8), None),
    ],
)
def test_the_window_has_both_its_days(today: date, expected: date | None) -> None:
    """Seven days before and after 31 May are within, the eighth is not."""
    assert find_celebration(month=5, day=31, window=WEEK, today=today) == expected


@pytest.mark.parametrize(
    ("month", "day", "today", "expected"),
    [
        (1, 2, date(2026, 12, 30), date(2027, 1, 2)),
        (1, 2, date(2027, 1, 2), date(2027, 1, 2)),
        (12, 30, date(2027, 1, 5), date(2026, 12, 30)),
        (12, 30, date(2026, 12, 30), date(2026, 12, 30)),
        (12, 30, date(2027, 1, 7), None),
        (1, 1, date(2026, 12, 24), None),
    ],
)
def test_a_window_over_new_year_belongs_to_the_year_of_the_day(
    month: int, day: int, today: date, expected: date | None
) -> None:
    """On 5 January it is still the gift of 30 December's year; on 30 December already the one of 2 January's."""
    assert find_celebration(month=month, day=day, window=WEEK, today=today) == expected


def test_on_the_day_only() -> None:
    """Without days around it, the gift is given on the day and on no other."""
    found = [
        find_celebration(month=3, day=1, window=ON_THE_DAY, today=date(2026, 3, 1) + timedelta(days=n))
        for n in (-1, 0, 1)
    ]
    assert found == [None, date(2026, 3, 1), None]


@given(
    st.dates(date(1999, 1, 1), date(2101, 12, 31)),
    st.dates(date(2000, 1, 1), date(2000, 12, 31)),
    st.integers(0, 31),
    st.integers(0, 31),
)
def test_the_list_for_the_search_and_the_decision_agree(
    today: date, born: date, before: int, after: int
) -> None:
    """Whoever the search finds is in the window, and whoever is in the window is found, with the same year."""
    window = Window(before, after)
    decided = find_celebration(month=born.month, day=born.day, window=window, today=today)
    years = [year for day, year in due_birthdays(window, today) if day == born.month * 100 + born.day]
    assert years == ([decided.year] if decided else [])


def test_a_reward_is_good_at_least_as_long_as_it_is_given() -> None:
    """Fourteen days after the birthday, or the last day of a longer window."""
    assert good_until(date(2026, 5, 20), Window(0, 7, 14)) == date(2026, 6, 3)
    assert good_until(date(2026, 5, 20), Window(0, 20, 14)) == date(2026, 6, 9)


def test_an_edit_around_new_year_is_too_close() -> None:
    """31 December and then 2 January is one birthday; half a year and a year later are another."""
    assert is_too_close(date(2027, 1, 2), [date(2026, 12, 31)])
    assert is_too_close(date(2027, 6, 28), [date(2026, 12, 31)])
    assert not is_too_close(date(2027, 6, 29), [date(2026, 12, 31)])
    assert not is_too_close(date(2027, 12, 31), [date(2026, 12, 31)])


def test_being_known_counts_whole_days() -> None:
    """Asked for thirty days, the thirtieth is enough; asked for none, the day of joining is."""
    assert has_been_known(date(2026, 1, 1), days=0, today=date(2026, 1, 1))
    assert not has_been_known(date(2026, 1, 1), days=30, today=date(2026, 1, 30))
    assert has_been_known(date(2026, 1, 1), days=30, today=date(2026, 1, 31))
