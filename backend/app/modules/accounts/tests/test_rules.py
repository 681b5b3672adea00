"""Pure decisions about accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.modules.accounts import rules
from app.modules.accounts.rules import PASSWORD_LENGTH_MIN, browser_name, is_session_over, weakness_of

NOW = datetime(2026, 11, 20, 9, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("password1234", "common"),
        ("1234567890", "common"),
        ("qwertyuiop", "common"),
        ("coffeelux-2026", "personal"),
        ("owner12345", "personal"),
        ("kx9#Lm2qT", "short"),  # nine characters
        ("hallohallo", "pattern"),
        ("19901231jan", "pattern"),
        ("annemarie!", "guessable"),
        ("kx9#Lm2qTz", None),
        ("plum-orchard-tandem-42", None),
        ("plum orchard tandem", None),
        ("ё" * 10, "pattern"),
        ("kx9#Lm2qTz" * 21, "long"),
    ],
)
def test_easy_passwords_say_why(password: str, weakness: str | None) -> None:
    """Common, short and personal passwords are weak, each with its reason; kinds of letters do not matter."""
    assert weakness_of(password, about=("CoffeeLux", "owner@coffeelux.example")) == weakness


def test_breached_passwords_are_refused() -> None:
    """Of the 30,000 commonest passwords of published breaches, those that are long enough are refused: every tenth."""
    breached = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= PASSWORD_LENGTH_MIN]

    assert (len(FREQUENCY_LISTS["passwords"]), len(breached) > 200) == (30_000, True)
    assert [word for word in breached[::10] if weakness_of(word, about=()) is None] == []


def test_long_passwords_are_judged_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the longest password that is accepted, only a part is given to the estimate, whose time is quadratic."""
    judged = []
    real = rules.zxcvbn

    def note(password: str, **options: object) -> object:
        judged.append(len(password))
        return real(password, **options)

    monkeypatch.setattr(rules, "zxcvbn", note)
    weakness_of("a" * 200)

    assert judged == [72]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Firefox, Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/26.0 Safari/605.1.15",
            "Safari, macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome, Android",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 "
            "Edg/142.0.0.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile Safari/604.1",
            "Safari, iPhone",
        ),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_browsers_have_coarse_names(user_agent: str, name: str) -> None:
    """A browser is called by its maker and system, never by what it says beyond that."""
    assert browser_name(user_agent) == name


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
