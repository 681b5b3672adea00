"""Tokens and merges as pure decisions."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from app.modules.cards.rules import (
    COOKIE_CARDS_MAX,
    MergeSide,
    TokenParts,
    merge_sides,
    read_token,
    remember_token,
    write_token,
)
from app.utils.id_generator import new_id

PARTS = TokenParts(UUID(int=1), UUID(int=2), 3, bytes(range(20)))


def test_a_token_says_what_was_written():
    """Reading a written token gives the same claims."""
    assert read_token(write_token(PARTS)) == PARTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "x" * 200,
        write_token(PARTS)[:-1],
        write_token(PARTS) + "A",
        write_token(PARTS) + "=",
        write_token(PARTS).replace(".", ".."),
        write_token(PARTS).replace("3.", "03."),
        write_token(PARTS).replace("3.", "³."),
        " " + write_token(PARTS),
    ],
)
def test_nothing_else_is_a_token(text):
    """A changed, padded, cut or differently spelt token is none."""
    assert read_token(text) is None


def token(pass_id, version=1):
    return write_token(TokenParts(UUID(int=1), pass_id, version, bytes(20)))


def test_a_device_keeps_its_last_used_cards():
    """The newest card comes first, an older token of it goes, and only so many are kept."""
    ids = [new_id() for _ in range(COOKIE_CARDS_MAX + 3)]
    held: list[str] = []
    for pass_id in ids:
        held = remember_token(held, token(pass_id))
    held = remember_token(held, token(ids[-2], version=2))

    assert held[0] == token(ids[-2], version=2)
    assert held[1] == token(ids[-1])
    assert len(held) == COOKIE_CARDS_MAX


def side(**over):
    empty = {name: None for name in MergeSide.__dataclass_fields__}
    empty |= {"stamp_count": 0, "points_balance": 0, "rewards_banked": {}, "rewards_kept": {}}
    return MergeSide(**{**empty, "visits_today": 0, "known_stores": [], **over})


def test_a_merge_keeps_everything_of_both():
    """Balances and banked rewards add up; the later cooldown and the day's visits count on."""
    early, late = datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC)
    today = date(2026, 11, 20)
    one, two = UUID(int=1), UUID(int=2)
    source = side(
        stamp_count=7, points_balance=-5, rewards_banked={"a": 1}, rewards_kept={"b": 8}, last_stamp_at=late,
        first_stamp_at=late, visits_day=today, visits_today=2, known_stores=[one, two],
    )  # fmt: skip
    target = side(
        stamp_count=6, points_balance=120, rewards_banked={"a": 2, "c": 1}, rewards_kept={"b": 9},
        last_stamp_at=early, first_stamp_at=early, visits_day=today, visits_today=1, known_stores=[two],
    )  # fmt: skip

    joined = merge_sides(source, target)

    assert (joined.stamp_count, joined.points_balance) == (13, 115)
    assert joined.rewards_banked == {"a": 3, "c": 1}
    assert joined.rewards_kept == {"b": 8}
    assert (joined.first_stamp_at, joined.last_stamp_at) == (early, late)
    assert (joined.visits_day, joined.visits_today) == (today, 3)
    assert list(joined.known_stores) == [one, two]


def test_yesterdays_visits_do_not_count_today():
    """Only the later day's visits are carried over."""
    joined = merge_sides(
        side(visits_day=date(2026, 11, 19), visits_today=4),
        side(visits_day=date(2026, 11, 20), visits_today=1),
    )

    assert (joined.visits_day, joined.visits_today) == (date(2026, 11, 20), 1)
