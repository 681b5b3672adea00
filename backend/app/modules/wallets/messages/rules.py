"""How long messages are and live, and how several become one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

HEADER_LENGTH_MAX = 60
BODY_LENGTH_MAX = 500
ONCE_KEY_LENGTH_MAX = 200
# How long a message stands on a card.
MESSAGE_AGE = timedelta(days=7)
# How long a once_key is remembered after that.
ONCE_KEPT = timedelta(days=400)
# A card shows the newest few; older ones make room.
MESSAGES_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class CardMessage:
    """A message as a card shows it."""

    id: UUID
    header: str
    body: str
    created_at: datetime
    expires_at: datetime


def clean_text(text: str, length: int) -> str:
    """Return a text that every output takes: no control characters but line breaks, no half symbols, cut."""
    known = text.encode("utf-8", "ignore").decode("utf-8")
    shown = "".join(symbol for symbol in known if symbol == "\n" or symbol.isprintable())
    return shown.strip()[:length].strip()


def merge_messages(waiting: Sequence[CardMessage]) -> CardMessage:
    """Return the one message that says what is waiting, oldest first; a repeat adds nothing."""
    newest = waiting[-1]
    lines: list[str] = []
    for message in waiting:
        lines = [line for line in lines if line != message.body] + [message.body]
    return CardMessage(
        id=newest.id,
        header=newest.header,
        body="\n".join(lines[-MESSAGES_SHOWN_MAX:]),
        created_at=newest.created_at,
        expires_at=max(message.expires_at for message in waiting),
    )
