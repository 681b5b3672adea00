"""Pure decisions: is a password good enough, when a session ends, what a browser is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 200
PASSWORD_SCORE_MIN = 3
# zxcvbn takes quadratic time; what comes after this many characters only adds strength.
PASSWORD_JUDGED_LENGTH = 72

SESSION_LIFETIME = timedelta(days=30)
SESSION_IDLE_MAX = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=5)

SIGN_UP_LINK_LIFETIME = timedelta(hours=24)
INVITATION_LIFETIME = timedelta(days=7)


# What zxcvbn found in a password, in our words; where several apply, the first of these is told.
_WEAKNESSES = (
    ("personal", lambda part: part.get("dictionary_name") == "user_inputs"),
    ("common", lambda part: part.get("dictionary_name") == "passwords"),
    ("pattern", lambda part: part["pattern"] in {"repeat", "sequence", "spatial", "date", "regex"}),
)


def zxcvbn(password: str, *, user_inputs: list[str]) -> Mapping[str, Any]:
    """Judge a password; the lists of words that takes are 9 MB, and come with the first that is chosen."""
    from zxcvbn import zxcvbn as judge

    return judge(password, user_inputs=user_inputs)


def weakness_of(password: str, *, about: Iterable[str] = ()) -> str | None:
    """Return why a password is refused, or None: short, long, personal, common, pattern or guessable.

    about: words an attacker would try first, such as the shop's name and the e-mail address. No rules about kinds
    of letters: they make passwords that are hard to remember, not hard to guess (NIST SP 800-63B-4, 3.1.1.2).
    """
    if len(password) < PASSWORD_LENGTH_MIN:
        return "short"
    if len(password) > PASSWORD_LENGTH_MAX:
        return "long"
    words = [part for text in about for part in [text, *re.split(r"[\W_]+", text)] if len(part) > 2]
    judged = zxcvbn(password[:PASSWORD_JUDGED_LENGTH], user_inputs=words)
    if int(judged["score"]) >= PASSWORD_SCORE_MIN:
        return None
    parts = judged["sequence"]
    return next((name for name, is_in in _WEAKNESSES if any(map(is_in, parts))), "guessable")


def is_session_over(
    *, last_seen_at: datetime, expires_at: datetime, revoked_at: datetime | None, now: datetime
) -> bool:
    """Tell whether a session was revoked, has reached its end, or was left idle too long."""
    return revoked_at is not None or now >= expires_at or now - last_seen_at >= SESSION_IDLE_MAX


def split_token(token: str) -> tuple[UUID | None, str]:
    """Return (the id at its head, the rest) of a link's token; the id is None where the token cannot be one."""
    head, _dot, rest = token.partition(".")
    try:
        return UUID(hex=head), rest
    except ValueError:
        return None, ""


# Each name stands before those whose browsers also claim it: Edge says Chrome, Chrome says Safari.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
USER_AGENT_READ_MAX = 500


def browser_name(user_agent: str) -> str:
    """Return a coarse name such as "Firefox, Windows"; no version, so that it tells devices apart but no person."""
    text = user_agent[:USER_AGENT_READ_MAX]
    found = [next((name for mark, name in names if mark in text), "") for names in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in found if name)
