"""Pure decisions: names of operators, when their sessions end, and what is worth a look or a hand."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

NAME_PATTERN = r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?"
_NAME = re.compile(NAME_PATTERN, re.ASCII)

# Shorter than a merchant's: what can be done here concerns every shop.
SESSION_LIFETIME = timedelta(hours=12)
SESSION_IDLE_MAX = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=1)

# From here on the overview asks for a look (amber), or for a hand (red).
SCHEDULE_LOOK = timedelta(minutes=2)
SCHEDULE_ACT = timedelta(minutes=5)
WAIT_LOOK = timedelta(minutes=2)
WAIT_ACT = timedelta(minutes=10)
DEAD_ACT = 100
DISK_LOOK = 0.80
DISK_ACT = 0.92
BACKUP_LOOK = timedelta(hours=26)
BACKUP_ACT = timedelta(hours=50)
CONNECTIONS_LOOK = 0.75
CONNECTIONS_ACT = 0.90

OK, LOOK, ACT = "ok", "look", "act"
LEVELS = (OK, LOOK, ACT)


def clean_name(typed: str) -> str | None:
    """Return the name as it is kept, or None where it cannot be one: small letters, digits, dots and dashes."""
    name = typed.strip().lower()
    return name if _NAME.fullmatch(name) else None


def is_session_over(
    *, last_seen_at: datetime, expires_at: datetime, revoked_at: datetime | None, now: datetime
) -> bool:
    """Tell whether a session was ended, has reached its end, or was left idle too long."""
    return revoked_at is not None or now >= expires_at or now - last_seen_at >= SESSION_IDLE_MAX


def level_above(value: timedelta | float, *, look: timedelta | float, act: timedelta | float) -> str:
    """Return the level of something that is worse the more there is of it; the limits themselves count."""
    return _level(is_act=value >= act, is_look=value >= look)  # type: ignore[operator]


def _level(*, is_act: bool, is_look: bool) -> str:
    if is_act:
        return ACT
    return LOOK if is_look else OK


def worst(levels: list[str]) -> str:
    """Return the worst of some levels; nothing at all is well."""
    return max(levels, key=LEVELS.index, default=OK)


# What a job says when it gives up or asks for another try is written by us; any other text may quote somebody.
_OUR_REASONS = ("GiveUp: ", "TryAgain: ", "not finished within ", "the worker died ")


def plain_reason(reason: str) -> tuple[str, str]:
    """Return (what may be shown of a job's reason, the kind of error where the rest may not be shown).

    An unexpected error's message may quote what somebody typed: of it only the kind is shown, the log has the rest.
    """
    for start in _OUR_REASONS:
        if reason.startswith(start):
            return (reason.removeprefix(start) if start.endswith(": ") else reason), ""
    kind = reason.partition(":")[0].strip()
    return "", kind if kind.isidentifier() else "Error"
