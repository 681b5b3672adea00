"""How a card stands to its rewards, and its colours."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.rewards.rules import CardTotals, RewardView, describe_rewards, next_reward
from app.modules.wallets.rules import (
    PALETTES,
    CardBalances,
    RewardRow,
    card_colors,
    find_next,
    readable_on,
    show_rewards,
)

IDS = [UUID(int=number) for number in range(1, 5)]
CARD_CSS = Path(__file__).parents[3] / "static" / "css" / "card.css"


@given(
    rewards=st.lists(
        st.tuples(st.sampled_from(["stamps", "points"]), st.integers(1, 500), st.booleans()), max_size=4
    ),
    stamps=st.integers(0, 30),
    points=st.integers(-50, 2_000),
    banked=st.dictionaries(st.sampled_from(IDS), st.integers(0, 3)),
    kept=st.dictionaries(st.sampled_from(IDS), st.integers(1, 30)),
)
def test_the_card_shows_what_the_till_redeems(
    rewards: list[tuple[str, int, bool]],
    stamps: int,
    points: int,
    banked: dict[UUID, int],
    kept: dict[UUID, int],
) -> None:
    """The view's rules and those of the rewards module agree for any card."""
    rows = [
        RewardRow(IDS[place], kind, threshold, f"Reward {place}", None, active)
        for place, (kind, threshold, active) in enumerate(rewards)
    ]
    views = [RewardView(row.id, row.kind, row.threshold, row.title, active=row.active) for row in rows]
    balances = CardBalances(
        stamps,
        points,
        {str(key): value for key, value in banked.items()},
        {str(key): value for key, value in kept.items()},
    )

    shown = show_rewards(balances, rows)
    expected = describe_rewards(CardTotals(stamps, points, banked, kept), views)

    assert [(r.id, r.ready, r.waiting, r.missing) for r in shown] == [
        (state.reward.id, state.ready, state.waiting, state.missing) for state in expected
    ]
    ahead, expected_ahead = find_next(shown), next_reward(expected)
    assert (ahead.id if ahead else None) == (expected_ahead.reward.id if expected_ahead else None)


@pytest.mark.parametrize(
    ("design", "branding", "expected"),
    [
        ({}, {}, ("forest", "#0b5c46", "#ffffff", "#f2b632")),
        ({"palette": "plum"}, {"palette": "night"}, ("plum", "#2b1733", "#fbf1ea", "#f2946a")),
        ({}, {"palette": "night"}, ("night", "#16243f", "#f1f5fb", "#ffcf5c")),
        ({"background_color": "#FFFFFF"}, {}, ("", "#ffffff", "#16130a", "#f2b632")),
        ({"palette": "plum", "accent_color": "#00ff00"}, {}, ("", "#2b1733", "#fbf1ea", "#00ff00")),
        ({"palette": "nonsense", "background_color": "red"}, {}, ("forest", "#0b5c46", "#ffffff", "#f2b632")),
    ],
)
def test_the_programmes_colours_come_before_the_merchants(
    design: dict[str, str], branding: dict[str, str], expected: tuple[str, str, str, str]
) -> None:
    """Own colours, else a palette, else the default; what is no colour is left out."""
    colors = card_colors(design, branding)

    assert (colors.palette, colors.background, colors.foreground, colors.accent) == expected


def test_words_on_any_background_can_be_read() -> None:
    """Near-black on light, white on dark."""
    assert readable_on("#ffffff") == "#16130a"
    assert readable_on("#000000") == "#ffffff"


def test_the_palettes_are_those_of_the_pages() -> None:
    """static/css/card.css and PALETTES name the same colours."""
    css = CARD_CSS.read_text()
    for name, colors in PALETTES.items():
        selector = r":root" if name == "forest" else rf"\.palette-{name}"
        block = re.search(rf"{selector} \{{([^}}]*)\}}", css)
        assert block is not None, name
        found = dict(re.findall(r"--card-(bg|fg|accent): (#[0-9a-f]{3,6})", block.group(1)))
        foreground = found["fg"] if len(found["fg"]) == 7 else "#" + "".join(c * 2 for c in found["fg"][1:])
        assert (found["bg"], foreground, found["accent"]) == (
            colors.background,
            colors.foreground,
            colors.accent,
        ), name
