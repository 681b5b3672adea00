"""When a visit counts, what two addresses have in common, and what is promised; without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.modules.referrals.rules import (
    Gift,
    PaidVisit,
    Promise,
    Ripe,
    Wait,
    closes_circle,
    in_order,
    mail_key,
    ripen,
    within_limits,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=15)
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(0), Wait(NOON + WINDOW)),
        (WINDOW, Wait(NOON + WINDOW)),
        (WINDOW + timedelta(microseconds=1), Ripe(ONE)),
    ],
)
def test_a_visit_counts_once_it_cannot_be_undone(after: timedelta, expected: Ripe | Wait) -> None:
    """Up to the end of its fifteen minutes, the end included, a visit may be undone; a moment later it counts."""
    assert ripen([PaidVisit(ONE, NOON)], needed=1, window=WINDOW, now=NOON + after) == expected


def test_the_nth_visit_by_time_counts_in_whatever_order_they_come() -> None:
    """Of three visits handed over backwards the second by time is the one; with two of three needed it waits."""
    visits = [
        PaidVisit(number, NOON + timedelta(hours=place)) for place, number in enumerate((ONE, TWO, THREE))
    ]
    late = NOON + timedelta(days=1)
    assert ripen(visits[::-1], needed=2, window=WINDOW, now=late) == Ripe(TWO)
    assert ripen(visits[:2], needed=3, window=WINDOW, now=late) == Wait(None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ADA@Example.COM"),
        ("ada@example.com", "ada+friend@example.com"),
        ("ada.lovelace@gmail.com", "adalovelace@gmail.com"),
        ("a.d.a+x@googlemail.com", "ada@gmail.com"),
        ("ada@exаmple.com", "ada@example.com"),  # noqa: RUF001 - a Cyrillic letter is the point
        ("ada@xn--exmple-4nf.com", "ada@exаmple.com"),  # noqa: RUF001
        ("ada@exámple.com", "ada@example.com"),
        ("ada@rnail.com", "ada@mail.com"),
        ("ada@gmаil.com", "a.da@gmail.com"),  # noqa: RUF001
        ("bi11@example.com", "bill@example.com"),
        ("ａｄａ@example.com", "ada@example.com"),  # noqa: RUF001
    ],
)
def test_one_mailbox_is_seen_through_its_disguises(one: str, other: str) -> None:
    """Case, tags, Gmail's dots, one provider's names and letters that look alike make no other mailbox."""
    assert mail_key(one) == mail_key(other)
    assert mail_key(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada.lovelace@example.com", "adalovelace@example.com"),
        ("ada@example.com", "ada@example.org"),
        ("ada@example.com", "eva@example.com"),
    ],
)
def test_two_people_keep_their_mailboxes(one: str, other: str) -> None:
    """Dots mean something elsewhere, and so do other names and domains."""
    assert mail_key(one) != mail_key(other)


@pytest.mark.parametrize("text", [None, "", "ada", "@example.com"])
def test_no_address_is_like_no_other(text: str | None) -> None:
    """Without an address there is nothing to compare."""
    assert mail_key(text) == ""


def test_limits_end_where_they_say() -> None:
    """The fifth friend of the month is rewarded, the sixth is not; the same in all."""
    assert within_limits(4, 9, month_max=5, total_max=10)
    assert not within_limits(5, 9, month_max=5, total_max=10)
    assert not within_limits(4, 10, month_max=5, total_max=10)


def test_circles_reasons_and_promises() -> None:
    """A friend further up closes a circle; reasons come once and in order; a promise survives its row."""
    assert closes_circle([ONE, TWO], TWO)
    assert not closes_circle([ONE, TWO], THREE)
    assert in_order(["same_device", "self", "same_device"]) == ["self", "same_device"]
    promise = Promise(Gift(points=5, reward_id=ONE), Gift(stamps=2))
    assert Promise.of_row(promise.as_row()) == promise
    assert list(promise.inviter.parts) == ["points", "reward"]
