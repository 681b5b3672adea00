"""Months, bounds and how near a limit is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from app.modules.billing.plans import UnusablePlans, read_plans
from app.modules.billing.rules import bounds_of, judge, month_of, next_month

METERS = frozenset({"cards", "stores"})


@pytest.mark.parametrize(
    ("used", "limit", "more", "level"),
    [
        (0, 10, 1, "fine"),
        (6, 10, 1, "fine"),
        (7, 10, 1, "warn"),
        (9, 10, 1, "warn"),
        (10, 10, 1, "refuse"),
        (8, 10, 3, "refuse"),
        (0, 0, 1, "refuse"),
        (2, 3, 1, "warn"),
        (1, 3, 1, "fine"),
    ],
)
def test_a_plan_warns_at_four_fifths_and_refuses_beyond(used: int, limit: int, more: int, level: str) -> None:
    """What is made now counts: the eighth of ten warns, the eleventh is refused."""
    assert judge(used, limit, more=more) == level


def test_a_month_is_the_shops() -> None:
    """An hour before midnight UTC it is December already in Luxembourg."""
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert month_of(late, zone="Europe/Luxembourg") == date(2026, 12, 1)
    assert month_of(late, zone="UTC") == date(2026, 11, 1)


def test_bounds_follow_the_clock_change() -> None:
    """October begins in summer time and ends in winter time; December is followed by January."""
    assert bounds_of(date(2026, 10, 1), zone="Europe/Luxembourg") == (
        datetime(2026, 9, 30, 22, 0, tzinfo=UTC),
        datetime(2026, 10, 31, 23, 0, tzinfo=UTC),
    )
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[plans.a", "cannot be read"),
        ('[plans.a]\ntitle = "A"\nlimits = {card = 1}', "limits card, which nothing counts"),
        ('[plans.a]\ntitle = "A"\nlimits = {cards = -1}', "plans.a.limits.cards"),
        ('[plans.a]\ntitle = "A"\nprice = 3', "plans.a.price"),
        ('[plans.a]\ntitle = "A"\nupgrade_url = "javascript:alert(1)"', "plans.a.upgrade_url"),
        ('default = "b"\n[plans.a]\ntitle = "A"', "default plan b"),
    ],
)
def test_a_mistake_in_the_plans_is_said_at_start(tmp_path: Path, text: str, said: str) -> None:
    """A misspelt meter is no unlimited one: the process does not start."""
    path = tmp_path / "plans.toml"
    path.write_text(text)
    with pytest.raises(UnusablePlans, match=said):
        read_plans(path, meters=METERS)


def test_a_plan_that_is_gone_falls_back_to_the_default(tmp_path: Path) -> None:
    """Whoever was given a plan that the file has no more gets the default one."""
    path = tmp_path / "plans.toml"
    path.write_text('default = "free"\n[plans.free]\ntitle = "Free"\nlimits = {cards = 3}\n')
    plans = read_plans(path, meters=METERS)
    found = plans.plan_for("gone")
    assert found is not None
    assert found.limits == {"cards": 3}
