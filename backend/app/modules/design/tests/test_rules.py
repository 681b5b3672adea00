"""Contrast, the nearest colour, and the part of a picture that is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.design.rules import Crop, contrast, nearest_passing, update_seconds

COLORS = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, ratio: float) -> None:
    """The ratios are those that every WCAG checker gives, in either order."""
    assert round(contrast(one, other), 2) == ratio
    assert contrast(one, other) == contrast(other, one)


@given(color=COLORS, background=COLORS)
def test_there_is_always_a_colour_that_passes(color: str, background: str) -> None:
    """Whatever is chosen, the suggestion reaches the ratio that text needs."""
    assert contrast(nearest_passing(color, background, least=4.5), background) >= 4.5


def test_a_passing_colour_stays_and_a_weak_one_keeps_its_hue() -> None:
    """White on forest stays; a yellow too light for white becomes a darker yellow, as near as can be."""
    assert nearest_passing("#ffffff", "#0b5c46", least=4.5) == "#ffffff"
    better = nearest_passing("#ffdd33", "#ffffff", least=3.0)
    red, green, blue = (int(better[i : i + 2], 16) for i in (1, 3, 5))
    assert red > green > blue
    assert 3.0 <= contrast(better, "#ffffff") < 3.2


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        (Crop(), (0, 0, 200, 100)),
        (Crop(25, 50, 50, 50), (50, 50, 150, 100)),
        (Crop(99, 99, 100, 100), (198, 99, 200, 100)),
        (Crop(0, 0, 1, 1), (0, 0, 2, 1)),
    ],
)
def test_a_crop_stays_inside_the_picture(crop: Crop, box: tuple[int, int, int, int]) -> None:
    """Percent become pixels; what would reach beyond ends at the edge."""
    assert crop.box(200, 100) == box


def test_few_cards_take_some_seconds_and_many_take_minutes() -> None:
    """Nobody waits for no card; the pace of the slower wallet decides."""
    assert (update_seconds(0), update_seconds(1), update_seconds(412), update_seconds(6_000)) == (
        0,
        20,
        20,
        300,
    )
