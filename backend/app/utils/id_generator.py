"""Ids and printed numbers."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

# Crockford's base 32: no I, L, O, U, so that a number read aloud or typed from paper is not mistaken.
CARD_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CARD_NUMBER_DIGITS = 11

_lock = threading.Lock()
_last_ms = 0
_sequence = 0
_made_at: ContextVar[datetime | None] = ContextVar("made_at", default=None)


def new_id(*, at: datetime | None = None) -> UUID:
    """Return a UUIDv7 that sorts by time, strictly increasing within this process when `at` is not given.

    at: the moment to encode (demo data, tests); random below the millisecond.
    Source: RFC 9562 section 5.7, method 1 (counter in rand_a) for ids made now.
    """
    global _last_ms, _sequence
    at = at or _made_at.get()
    if at is not None:
        return _pack(int(at.timestamp() * 1000), secrets.randbits(12))
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _sequence = now_ms, secrets.randbits(10)
        else:
            _sequence += 1
            if _sequence > 0xFFF:
                _last_ms, _sequence = _last_ms + 1, 0
        return _pack(_last_ms, _sequence)


@contextmanager
def ids_made_at(at: datetime) -> Iterator[None]:
    """Let ids made inside encode a moment of the past: for demo data that use cases write."""
    token = _made_at.set(at)
    try:
        yield
    finally:
        _made_at.reset(token)


def _pack(unix_ms: int, rand_a: int) -> UUID:
    value = (unix_ms & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= (rand_a & 0xFFF) << 64
    value |= 0b10 << 62
    value |= secrets.randbits(62)
    return UUID(int=value)


def id_floor(at: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: the bound of a partition or a range scan."""
    return UUID(int=((int(at.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80) | (0x7 << 76) | (0b10 << 62))


def id_time(value: UUID) -> datetime:
    """Return the millisecond encoded in a UUIDv7, aware, UTC."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def new_card_number() -> str:
    """Return a public card number: 11 random symbols and a check symbol, e.g. 7K3QF0M2XW9P.

    It identifies a card and authorises nothing. 55 random bits.
    """
    body = "".join(secrets.choice(CARD_ALPHABET) for _ in range(CARD_NUMBER_DIGITS))
    return body + _check_symbol(body)


def parse_card_number(text: str) -> str | None:
    """Return the normalised card number in typed text, or None where it cannot be one.

    Spaces and dashes are dropped, I and L read as 1, O as 0.
    """
    value = "".join(text.upper().split()).replace("-", "").translate(str.maketrans("ILO", "110"))
    if len(value) != CARD_NUMBER_DIGITS + 1 or any(symbol not in CARD_ALPHABET for symbol in value):
        return None
    return value if _check_symbol(value[:-1]) == value[-1] else None


def format_card_number(number: str) -> str:
    """Return the number in groups of four, as printed."""
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _check_symbol(body: str) -> str:
    # Luhn mod N finds every single wrong symbol and almost all swaps of neighbours.
    total, size = 0, len(CARD_ALPHABET)
    for position, symbol in enumerate(reversed(body)):
        value = CARD_ALPHABET.index(symbol) * (2 if position % 2 == 0 else 1)
        total += value // size + value % size
    return CARD_ALPHABET[(size - total % size) % size]
