"""What follows from an answer, how long is waited, and what a body looks like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.modules.webhooks.rules import (
    EVENTS,
    GIVE_UP_AFTER,
    WAITS,
    Verdict,
    is_too_late,
    judge,
    probe_wait,
    read_retry_after,
    shorten,
    wait_after,
    write_body,
)
from app.modules.webhooks.words import ERROR_WORDS, EVENT_WORDS, EXAMPLES

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_delivered(status: int) -> None:
    """Whatever stands in it."""
    assert judge(status, {}, now=NOW) == Verdict(is_delivered=True)


@pytest.mark.parametrize(
    ("status", "error", "is_gone"),
    [(301, "redirect", False), (400, "answer", False), (404, "answer", False), (410, "gone", True),
     (429, "answer", False), (500, "answer", False), (503, "answer", False)],
)  # fmt: skip
def test_anything_else_is_not(status: int, error: str, *, is_gone: bool) -> None:
    """410 is an end, a redirect is not followed, the rest is tried again."""
    assert judge(status, {}, now=NOW) == Verdict(is_delivered=False, error=error, is_gone=is_gone)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("Fri, 20 Nov 2026 09:05:00 GMT", 300),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0),
        ("999999", 86_400),
        ("99999999999999999999", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999999999", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_the_other_programs_wish_is_read_within_a_day(text: str, seconds: int) -> None:
    """Seconds or a date; what cannot be read is no wish."""
    assert read_retry_after(text, now=NOW) == timedelta(seconds=seconds)


def test_a_wish_counts_with_429_and_503_only() -> None:
    """Elsewhere the header means something else."""
    waits = [judge(status, {"retry-after": "60"}, now=NOW).wait for status in (429, 503, 500)]
    assert waits == [timedelta(minutes=1), timedelta(minutes=1), timedelta()]


def test_the_waits_fill_about_three_days() -> None:
    """The tries of the list, with any spread, end within the days in which we try, and use more than two of them."""
    assert timedelta(days=2) < sum(WAITS, timedelta()) <= GIVE_UP_AFTER
    assert wait_after(1, jitter=0) == timedelta(seconds=5)
    assert wait_after(50, jitter=1) == timedelta(hours=24)
    assert is_too_late(NOW, NOW + GIVE_UP_AFTER + timedelta(seconds=1))
    assert not is_too_late(NOW, NOW + GIVE_UP_AFTER)


def test_a_dead_address_is_looked_at_less_and_less_but_every_hour() -> None:
    """From a minute up to an hour."""
    waits = [probe_wait(failures, jitter=0) for failures in (3, 4, 8, 9, 500)]
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 32, 60, 60)]


def test_a_body_has_its_version_and_the_same_bytes_each_time() -> None:
    """The id is the event's; the time is in UTC."""
    made = write_body(UUID(int=1), "card.joined", at=NOW, data={"pass_id": "x"})
    assert made == write_body(UUID(int=1), "card.joined", at=NOW, data={"pass_id": "x"})
    assert json.loads(made) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "type": "card.joined",
        "timestamp": "2026-11-20T09:00:00.000Z",
        "version": 1,
        "data": {"pass_id": "x"},
    }


def test_an_answer_is_kept_short_and_printable() -> None:
    """NUL, which the database refuses, and control characters become blanks."""
    assert shorten(b"a\x00b\x1b[31m\xff") == "a b [31m\ufffd"
    assert len(shorten(b"x" * 100_000)) == 500


def test_every_event_and_error_has_words_and_an_example() -> None:
    """What is told is documented."""
    assert set(EVENTS) == set(EXAMPLES) == set(EVENT_WORDS) - {"webhook.test"}
    assert set(ERROR_WORDS) == {
        "timeout", "unreachable", "address", "redirect", "answer", "gone", "late", "off"
    }  # fmt: skip
