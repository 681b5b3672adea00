"""Pure decisions about accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.modules.accounts.rules import is_session_over, is_weak_password, window_start

NOW = datetime(2026, 11, 20, 9, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("password1234", True),
        ("1234567890", True),
        ("qwertyuiop", True),
        ("coffeelux-2026", True),
        ("kx9#Lm2qT", True),  # nine characters
        ("kx9#Lm2qTz", False),
        ("plum-orchard-tandem-42", False),
        ("ё" * 10, True),
        ("kx9#Lm2qTz" * 21, True),  # longer than is stored
    ],
)
def test_easy_passwords_are_weak(password: str, weak: bool) -> None:
    """Common, short and personal passwords are weak."""
    assert is_weak_password(password, about=("CoffeeLux", "owner@coffeelux.example")) is weak


@pytest.mark.parametrize(
    ("idle", "left", "over"),
    [
        (timedelta(0), timedelta(days=1), False),
        (timedelta(days=7) - timedelta(seconds=1), timedelta(days=1), False),
        (timedelta(days=7), timedelta(days=1), True),
        (timedelta(0), timedelta(seconds=1), False),
        (timedelta(0), timedelta(0), True),
    ],
)
def test_sessions_end_idle_or_old(idle: timedelta, left: timedelta, over: bool) -> None:
    """A session ends a week after its last use and at its own end; never sooner."""
    assert is_session_over(last_seen_at=NOW - idle, expires_at=NOW + left, revoked_at=None, now=NOW) is over


def test_revoked_session_is_over() -> None:
    """A revoked session is over at once."""
    assert is_session_over(last_seen_at=NOW, expires_at=NOW + timedelta(days=1), revoked_at=NOW, now=NOW)


def test_windows_begin_on_the_quarter() -> None:
    """A moment belongs to the quarter of an hour it lies in."""
    assert window_start(NOW, timedelta(minutes=15)) == datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
