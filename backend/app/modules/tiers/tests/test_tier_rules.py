"""The rules of levels: thresholds, periods, grace, and days that were missed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.tiers.rules import (
    Entry,
    Level,
    Move,
    Scheme,
    Standing,
    level_for,
    place,
    project,
    qualifying,
    walk,
)

SILVER, GOLD = Level("s", "Silver", 100), Level("g", "Gold", 300)
LEVELS = [SILVER, GOLD]
YEAR = Scheme("calendar_year")
JOINED = date(2024, 2, 29)
NEW = Standing(date(2026, 1, 1))


def bought(*days: tuple[int, int, int]) -> list[Entry]:
    """Return purchases of 2026 as (month, day, amount)."""
    return [Entry(date(2026, month, day), amount) for month, day, amount in days]


def on(entries: list[Entry], today: date, standing: Standing = NEW, scheme: Scheme = YEAR) -> Standing:
    """Return where a card stands on a day."""
    return walk(standing, entries, LEVELS, scheme, joined=JOINED, today=today)[0]


@pytest.mark.parametrize(
    ("counted", "name"),
    [
        (-5, None),
        (0, None),
        (99, None),
        (100, "Silver"),
        (101, "Silver"),
        (299, "Silver"),
        (300, "Gold"),
        (301, "Gold"),
    ],
)
def test_the_highest_level_that_is_reached(counted: int, name: str | None) -> None:
    """Exactly the threshold is enough; one less is not."""
    found = level_for(LEVELS, counted)
    assert (found.name if found else None) == name


def test_a_level_at_zero_is_everybodys() -> None:
    """With a lowest level at 0 a card without a purchase has it, and never loses it."""
    levels = [Level("b", "Bronze", 0), *LEVELS]
    standing, moves = walk(NEW, [], levels, YEAR, joined=JOINED, today=date(2029, 3, 1))
    assert standing.level_id == "b"
    assert [move.after for move in moves] == ["b"]


@given(st.lists(st.integers(0, 400), max_size=6), st.integers(0, 1200))
def test_the_level_fits_what_was_bought(thresholds: list[int], counted: int) -> None:
    """Its threshold is reached, and no higher one is: for any ladder."""
    levels = [Level(str(n), str(n), threshold) for n, threshold in enumerate(thresholds)]
    found = level_for(levels, counted)
    above = [one.threshold for one in levels if one.threshold > (found.threshold if found else -1)]
    assert found is None or found.threshold <= counted
    assert all(threshold > counted for threshold in above)


def test_a_year_that_was_enough_counts_for_the_next() -> None:
    """Gold in May 2026 is gold to the end of 2027, and what 2027 was enough for afterwards."""
    entries = [*bought((5, 4, 300)), Entry(date(2027, 6, 1), 150)]
    assert on(entries, date(2026, 5, 3)).level_id is None
    assert on(entries, date(2026, 5, 4)).level_id == "g"
    assert on(entries, date(2027, 12, 31)).level_id == "g"
    assert on(entries, date(2028, 1, 1)).level_id == "s"
    assert on(entries, date(2029, 1, 1)).level_id is None


def test_raised_thresholds_demote_nobody_inside_the_period() -> None:
    """Gold at 300 stays gold when gold costs 1000, until the year and its next look are over."""
    gold = on(bought((5, 4, 300)), date(2026, 6, 1))
    dearer = [SILVER, Level("g", "Gold", 1000)]
    kept, moves = walk(gold, bought((5, 4, 300)), dearer, YEAR, joined=JOINED, today=date(2026, 12, 31))
    assert (kept.level_id, moves) == ("g", [])
    after, moves = walk(kept, bought((5, 4, 300)), dearer, YEAR, joined=JOINED, today=date(2027, 1, 1))
    assert after.level_id == "s"
    assert moves == [Move(date(2027, 1, 1), "g", "s", "lapsed")]


def test_a_removed_level_is_held_to_the_end_and_reached_by_nobody() -> None:
    """Who has it keeps it for the period; the next who buys as much gets the one below."""
    gold = on(bought((5, 4, 300)), date(2026, 6, 1))
    gone = [SILVER, Level("g", "Gold", 300, removed=True)]
    entries = bought((5, 4, 300))
    assert walk(gold, entries, gone, YEAR, joined=JOINED, today=date(2026, 12, 31))[0].level_id == "g"
    assert walk(gold, entries, gone, YEAR, joined=JOINED, today=date(2027, 1, 1))[0].level_id == "s"
    assert walk(NEW, entries, gone, YEAR, joined=JOINED, today=date(2026, 12, 31))[0].level_id == "s"


def test_a_refund_demotes_only_when_the_period_ends() -> None:
    """Taken back in July, gold stays to December; on the first of January it counts for nothing."""
    entries = [Entry(date(2026, 5, 4), 300, taken_back_on=date(2026, 7, 1))]
    gold = on(entries, date(2026, 6, 30))
    assert on(entries, date(2026, 12, 31), gold).level_id == "g"
    assert on(entries, date(2027, 1, 1), gold).level_id is None


def test_grace_lengthens_the_period() -> None:
    """With 31 days of grace, what is bought in January still saves the level of the year before."""
    scheme = Scheme("calendar_year", grace_days=31)
    first = bought((5, 4, 300))
    gold = Standing(date(2027, 1, 1), "g", date(2026, 5, 4), date(2027, 12, 31), date(2028, 1, 31))
    late = [*first, Entry(date(2027, 3, 1), 250), Entry(date(2028, 1, 20), 50)]
    assert on(late, date(2028, 2, 1), gold, scheme).level_id == "g"
    assert on(late[:-1], date(2028, 1, 31), gold, scheme).level_id == "g"
    assert on(late[:-1], date(2028, 2, 1), gold, scheme).level_id == "s"


def test_one_step_goes_down_one_level() -> None:
    """From gold to silver with nothing bought at all, and a year later to none."""
    scheme = Scheme("calendar_year", downgrade="one_step")
    gold = Standing(date(2026, 12, 31), "g", date(2026, 5, 4), date(2026, 12, 31), date(2026, 12, 31))
    assert on([], date(2027, 1, 1), gold, scheme).level_id == "s"
    assert on([], date(2028, 1, 1), gold, scheme).level_id is None


def test_a_rolling_window_ends_after_its_days() -> None:
    """Thirty days from reaching it; what counts is what was bought in the last thirty of them."""
    scheme = Scheme("rolling", days=30)
    entries = bought((3, 1, 60), (3, 20, 40), (4, 10, 100))
    silver = on(entries, date(2026, 3, 20), scheme=scheme)
    assert (silver.level_id, silver.held_until) == ("s", date(2026, 4, 18))
    assert on(entries, date(2026, 4, 19), silver, scheme).level_id == "s"
    assert on(entries[:2], date(2026, 4, 18), silver, scheme).level_id == "s"
    assert on(entries[:2], date(2026, 4, 19), silver, scheme).level_id is None


def test_since_joining_is_looked_at_on_the_anniversary() -> None:
    """A card of 29 February 2024 is looked at on 28 February 2027; all it ever bought counts."""
    scheme = Scheme("since_joining")
    entries = [Entry(date(2024, 3, 1), 60), *bought((5, 4, 40))]
    silver = on(entries, date(2026, 5, 4), scheme=scheme)
    assert (silver.level_id, silver.period_end) == ("s", date(2027, 2, 27))
    assert on(entries, date(2032, 1, 1), silver, scheme).level_id == "s"


def test_late_runs_go_through_the_missed_days_in_order() -> None:
    """A run in March 2028 finds what runs on every day found: the same moves on the same days."""
    entries = [
        *bought((5, 4, 100), (11, 1, 200)),
        Entry(date(2027, 12, 30), 120),
        Entry(date(2028, 2, 2), 300),
    ]
    daily, moves, day = NEW, [], date(2026, 1, 1)
    while day <= date(2028, 3, 1):
        daily, found = walk(
            daily, [e for e in entries if e.day <= day], LEVELS, YEAR, joined=JOINED, today=day
        )
        moves += found
        day += timedelta(days=1)

    late, at_once = walk(NEW, entries, LEVELS, YEAR, joined=JOINED, today=date(2028, 3, 1))

    assert late == daily
    assert at_once == moves
    assert [(move.on, move.after) for move in moves] == [
        (date(2026, 5, 4), "s"), (date(2026, 11, 1), "g"), (date(2028, 1, 1), "s"), (date(2028, 2, 2), "g"),
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 200), st.integers(0, 90)), max_size=12),
    st.lists(st.integers(1, 200), min_size=1, max_size=8),
    st.sampled_from(["calendar_year", "rolling", "since_joining"]),
    st.integers(0, 40),
    st.sampled_from(["earned", "one_step"]),
)
def test_when_it_runs_changes_nothing(
    purchases: list[tuple[int, int, int]], gaps: list[int], window: str, grace: int, downgrade: str
) -> None:
    """Any rhythm of runs ends where one late run ends, with the same moves; refunds included."""
    scheme = Scheme(window, days=45, grace_days=grace, downgrade=downgrade)
    begin = NEW.seen_on
    entries = [
        Entry(begin + timedelta(days=day), amount, begin + timedelta(days=day + after) if after else None)
        for day, amount, after in purchases
    ]
    end = begin + timedelta(days=sum(gaps))
    joined = date(2025, 11, 3)
    standing, moves, today = NEW, [], begin
    for gap in gaps:
        today += timedelta(days=gap)
        standing, found = walk(standing, entries, LEVELS, scheme, joined=joined, today=today)
        moves += found
    assert (standing, moves) == walk(NEW, entries, LEVELS, scheme, joined=joined, today=end)


def test_what_is_ahead() -> None:
    """220 of 300: eighty to gold by the end of the year; silver of last year needs what this year lacks."""
    silver = Standing(date(2026, 3, 1), "s", date(2025, 5, 1), date(2026, 12, 31), date(2026, 12, 31))
    ahead = project(silver, bought((2, 1, 40)), LEVELS, YEAR, joined=JOINED, today=date(2026, 3, 1))
    assert (ahead.next_level, ahead.missing, ahead.by) == (GOLD, 260, date(2026, 12, 31))
    assert (ahead.keep_missing, ahead.keep_by) == (60, date(2026, 12, 31))
    rolling = Scheme("rolling", days=30)
    soon = project(
        NEW, bought((2, 10, 40), (2, 20, 10)), LEVELS, rolling, joined=JOINED, today=date(2026, 3, 1)
    )
    assert (soon.next_level, soon.missing, soon.by) == (SILVER, 50, date(2026, 3, 11))


def test_where_cards_begin() -> None:
    """Introduced in June, levels are held by what counts then, and nothing has moved."""
    placed = place(bought((1, 5, 120), (5, 4, 10)), LEVELS, YEAR, joined=JOINED, today=date(2026, 6, 1))
    assert (placed.level_id, placed.held_until) == ("s", date(2026, 12, 31))
    assert qualifying(bought((1, 5, 120)), date(2026, 1, 6), date(2026, 6, 1), as_of=date(2026, 6, 1)) == 0
