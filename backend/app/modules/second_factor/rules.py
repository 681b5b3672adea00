"""Pure decisions: which code is right, what was typed, when an authenticator looks copied."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# What every authenticator app understands (RFC 6238); the secret is as long as its hash.
TOTP_DIGITS = 6
TOTP_STEP = timedelta(seconds=30)
TOTP_WINDOW = 1
TOTP_SECRET_BYTES = 20

RECOVERY_CODES = 10
# 120 random bits: from 112 on a fast hash keeps a secret that is looked up (OWASP ASVS 5.0, 6.5.2, read 21 Nov 2026).
RECOVERY_SYMBOLS = 24
RECOVERY_GROUP = 4
RECOVERY_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECOVERY_FEW = 3

PASSKEYS_MAX = 20
PASSKEY_NAME_LENGTH_MAX = 60
CHALLENGE_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Factors:
    """What a member has besides the password. codes_left: recovery codes not used yet."""

    totp: bool
    passkeys: int
    codes_left: int

    @property
    def on(self) -> bool:
        """Tell whether the password alone is not enough."""
        return self.totp or self.passkeys > 0


def step_of(moment: datetime) -> int:
    """Return the number of the 30-second step a moment lies in."""
    return int(moment.timestamp()) // int(TOTP_STEP.total_seconds())


def steps_around(moment: datetime) -> tuple[int, ...]:
    """Return the steps whose code is taken now, oldest first: clocks of phones are off by a little."""
    now = step_of(moment)
    return tuple(range(now - TOTP_WINDOW, now + TOTP_WINDOW + 1))


def matching_step(typed: str, codes: Mapping[int, str], *, last_step: int | None) -> int | None:
    """Return the step whose code was typed, or None; a step counts once, and none before the last one used.

    codes: the right code of each step. All are compared, so that the time says nothing.
    """
    found = None
    for step, code in sorted(codes.items()):
        is_right = hmac.compare_digest(code.encode(), typed.encode())
        if is_right and (last_step is None or step > last_step):
            found = step
    return found


def parse_totp_code(typed: str) -> str | None:
    """Return the six digits in what was typed, or None; spaces and dashes are how people group them."""
    text = "".join(typed.split()).replace("-", "")
    return text if len(text) == TOTP_DIGITS and text.isascii() and text.isdigit() else None


def parse_recovery_code(typed: str) -> str | None:
    """Return the symbols of a recovery code, or None where it cannot be one. I and L read as 1, O as 0."""
    text = "".join(typed.upper().split()).replace("-", "").translate(str.maketrans("ILO", "110"))
    if len(text) != RECOVERY_SYMBOLS or any(symbol not in RECOVERY_ALPHABET for symbol in text):
        return None
    return text


def recovery_code_of(number: int) -> str:
    """Return the symbols of a random number of 120 bits."""
    assert 0 <= number < 32**RECOVERY_SYMBOLS
    symbols = []
    for _place in range(RECOVERY_SYMBOLS):
        number, rest = divmod(number, 32)
        symbols.append(RECOVERY_ALPHABET[rest])
    return "".join(reversed(symbols))


def format_recovery_code(code: str) -> str:
    """Return the code as it is shown and printed, in groups of four."""
    return "-".join(code[i : i + RECOVERY_GROUP] for i in range(0, len(code), RECOVERY_GROUP))


def format_secret(secret: str) -> str:
    """Return an app's secret in groups of four, to be typed by hand."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


def is_cloned(stored: int, seen: int) -> bool:
    """Tell whether two copies of an authenticator seem to be in use: its counter did not move on.

    Most passkeys are synchronised and always say 0, which says nothing.
    Source: Web Authentication Level 3, section 6.1.1, read November 2026.
    """
    return (stored > 0 or seen > 0) and seen <= stored


def free_name(wanted: str, taken: Iterable[str], *, fallback: str) -> str:
    """Return the name for a new passkey: what was typed, else the fallback, numbered where it is taken."""
    base = " ".join(wanted.split())[:PASSKEY_NAME_LENGTH_MAX] or fallback
    names = {name.casefold() for name in taken}
    if base.casefold() not in names:
        return base
    number = 2
    while f"{base} {number}".casefold() in names:
        number += 1
    return f"{base} {number}"
