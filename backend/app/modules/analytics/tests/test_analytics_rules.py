"""Periods, comparisons, segments and scores: pure decisions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from app.kernel.reports import Period
from app.modules.analytics.presenting import nice_top
from app.modules.analytics.rules import (
    DAYS_MAX,
    PRESETS,
    People,
    choose_period,
    month_before,
    period_before,
    scores_by,
    segment_of,
    step_of,
    steps_of,
)

TODAY = date(2026, 11, 20)


def test_presets_are_whole_weeks_and_end_today() -> None:
    """So that each day stands beside the same weekday of the period before."""
    for key, (_title, days) in PRESETS.items():
        period = choose_period(key, None, None, today=TODAY)
        before = period_before(period, "before")
        assert before is not None
        assert (period.end, period.days, days % 7) == (TODAY, days, 0)
        assert before.end == period.start - timedelta(days=1)
        assert before.start.weekday() == period.start.weekday()


def test_own_days_are_bounded() -> None:
    """Turned round where needed, never after today, never longer than the longest."""
    assert choose_period("own", TODAY, date(2026, 11, 1), today=TODAY) == Period(date(2026, 11, 1), TODAY)
    assert choose_period("own", date(2026, 11, 1), date(2030, 1, 1), today=TODAY).end == TODAY
    assert choose_period("own", date(2001, 1, 1), TODAY, today=TODAY).days == DAYS_MAX
    assert choose_period("own", date(2027, 1, 1), date(2028, 1, 1), today=TODAY).days == 1


def test_a_year_ago_is_the_same_weekday() -> None:
    """52 weeks, not 365 days."""
    before = period_before(Period(TODAY, TODAY), "year")

    assert before == Period(date(2025, 11, 21), date(2025, 11, 21))
    assert before.start.weekday() == TODAY.weekday()
    assert period_before(Period(TODAY, TODAY), "none") is None


@pytest.mark.parametrize(("days", "step"), [(45, "day"), (46, "week"), (200, "week"), (201, "month")])
def test_bars_are_days_weeks_or_months(days: int, step: str) -> None:
    """Each length has the bars that can still be told apart."""
    assert step_of(Period(TODAY - timedelta(days=days - 1), TODAY)) == step


@pytest.mark.parametrize("step", ["day", "week", "month"])
def test_steps_cover_the_period_once(step: str) -> None:
    """Every day is in exactly one bar; weeks begin on Mondays, months on the first."""
    period = Period(date(2026, 9, 3), TODAY)
    parts = steps_of(period, step)

    assert sum(part.days for part in parts) == period.days
    assert (parts[0].start, parts[-1].end) == (period.start, period.end)
    for earlier, later in zip(parts, parts[1:], strict=False):
        assert later.start == earlier.end + timedelta(days=1)
        if step == "week":
            assert later.start.weekday() == 0
        if step == "month":
            assert later.start.day == 1


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2026, 3, 31), date(2026, 2, 28)),
        (date(2026, 1, 1), date(2025, 12, 1)),
        (TODAY, date(2026, 10, 20)),
    ],
)
def test_the_same_day_of_the_month_before(day: date, before: date) -> None:
    """Or its last day."""
    assert month_before(day) == before


@pytest.mark.parametrize(
    ("visits", "days_ago", "segment"),
    [
        (0, 9999, "never"),
        (1, 30, "new"),
        (1, 31, "once"),
        (2, 30, "loyal"),
        (4, 31, "cooling"),
        (4, 91, "lost"),
        (5, 30, "champions"),
        (5, 31, "slipping"),
        (5, 90, "slipping"),
        (50, 91, "lost"),
    ],
)
def test_segments_at_their_borders(visits: int, days_ago: int, segment: str) -> None:
    """Each border on both sides."""
    assert segment_of(visits, days_ago) == segment


def test_scores_are_fifths_of_the_customers() -> None:
    """Fifty customers with different values: ten of each score; alike ones share theirs."""
    people = [People(TODAY, number, 1, number, 0, 0, 0) for number in range(50)]
    scores = scores_by(people, [row.visits for row in people])
    assert [scores.count(score) for score in (1, 2, 3, 4, 5)] == [10, 10, 10, 10, 10]
    assert scores == sorted(scores)
    assert len(set(scores_by(people, [7] * 50))) == 1


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (4, 4), (5, 5), (41, 50), (61, 80), (99, 100), (101, 200)]
)
def test_the_scale_ends_at_a_round_number(highest: int, top: float) -> None:
    """Just above the highest bar."""
    assert nice_top(highest) == top
