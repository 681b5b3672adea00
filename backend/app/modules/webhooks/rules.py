"""What is told, how it is signed, and what follows from an answer. Nothing but the standard library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

FEATURE = "webhooks"
VERSION = 1
TEST = "webhook.test"
EVENTS = (
    "visit.given",
    "visit.undone",
    "reward.unlocked",
    "reward.redeemed",
    "reward.taken_back",
    "card.joined",
    "card.blocked",
    "card.unblocked",
    "card.merged",
    "customer.changed",
    "customer.erased",
    "tier.changed",
    "usage.warned",
    "usage.reached",
    "usage.month_closed",
)
"""The names of everything that is told; they never change their meaning."""

ENDPOINTS_MAX = 10
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 (the published prefix, no secret)
ROTATION = timedelta(days=1)

# About three days with the spread. Source: standardwebhooks.com, "Deliverability", read November 2026.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
)
GIVE_UP_AFTER = timedelta(days=3)
JITTER_SHARE = 0.2
RETRY_AFTER_MAX = timedelta(days=1)
# So many failures in a row, and one delivery alone looks whether the address lives again.
PROBE_AFTER = 3
PROBE_CAP = timedelta(hours=1)
OFF_AFTER = timedelta(days=5)
LOG_KEPT = timedelta(days=30)
# No visit is under way for so long.
REMOVED_KEPT = timedelta(hours=1)
ANSWER_LENGTH_MAX = 500

ERRORS = ("timeout", "unreachable", "address", "redirect", "answer", "gone", "late", "off")
"""Words for what was wrong; "late": tried for three days. "off": the address or the feature was switched off."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means. wait: at least so long, by the other program's own wish. is_gone: never again."""

    is_delivered: bool
    error: str = ""
    wait: timedelta = timedelta()
    is_gone: bool = False


def judge(status: int, headers: Mapping[str, str], *, now: datetime) -> Verdict:
    """Return what an answer means: 2xx is delivered, 410 is an end, everything else is tried again."""
    if 200 <= status < 300:
        return Verdict(is_delivered=True)
    if status == 410:
        return Verdict(is_delivered=False, error="gone", is_gone=True)
    if 300 <= status < 400:
        return Verdict(is_delivered=False, error="redirect")
    wait = read_retry_after(headers.get("retry-after", ""), now=now) if status in {429, 503} else timedelta()
    return Verdict(is_delivered=False, error="answer", wait=wait)


def read_retry_after(text: str, *, now: datetime) -> timedelta:
    """Return how long another program asks us to wait, within a day; nothing for what cannot be read."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return min(timedelta(seconds=int(text)), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return timedelta()
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(timedelta(), min(until - now, RETRY_AFTER_MAX))


def wait_after(attempts: int, *, jitter: float) -> timedelta:
    """Return the wait after so many tries of a delivery; jitter is a share between -1 and 1."""
    wait: timedelta = WAITS[min(attempts, len(WAITS)) - 1]
    return wait * (1 + JITTER_SHARE * jitter)


def probe_wait(failures: int, *, jitter: float) -> timedelta:
    """Return the wait until one delivery looks whether a dead address lives again; an hour at most."""
    doubled: timedelta = timedelta(minutes=1) * 2 ** min(max(failures - PROBE_AFTER, 0), 10)
    wait: timedelta = min(doubled, PROBE_CAP)
    return wait * (1 + JITTER_SHARE * jitter)


def is_too_late(wanted_at: datetime, next_at: datetime) -> bool:
    """Tell whether the next try would come after the days in which we try."""
    return next_at - wanted_at > GIVE_UP_AFTER


def write_body(event_id: UUID, kind: str, *, at: datetime, data: Mapping[str, Any]) -> bytes:
    """Return the body of an event; the same event has the same bytes each time."""
    whole = {
        "id": str(event_id),
        "type": kind,
        "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": VERSION,
        "data": dict(data),
    }
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


def shorten(body: bytes) -> str:
    """Return how an answer begins, as text that a page and a database can hold."""
    text = body[: ANSWER_LENGTH_MAX * 4].decode(errors="replace")
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)[
        :ANSWER_LENGTH_MAX
    ].strip()


def known_events(names: Sequence[str]) -> list[str]:
    """Return those of the names that are events, each once, in their order."""
    return [name for name in EVENTS if name in names]
