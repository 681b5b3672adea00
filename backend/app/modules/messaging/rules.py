"""Pure decisions of the outbox: what a text becomes, what a server's answer means, when to stop trying."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from uuid import UUID

SERVICE, MARKETING = "service", "marketing"
SUBJECT_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 20_000
HTML_LENGTH_MAX = 100_000
# A worker that holds a message longer than this has died: another one may send it.
CLAIM_LIFETIME = timedelta(minutes=2)
# The links of service mails live about as long; a mail that comes later helps nobody.
STOP_TRYING_AFTER = timedelta(days=2)
CONTENT_KEPT_FOR = timedelta(days=30)

_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]]")
_ENHANCED = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
# The mailbox or its domain does not exist (any more): RFC 3463 sections 3.2, 3.3 and 3.5, RFC 7505 section 5.1.
DEAD_STATUSES = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"})
SOFT_BOUNCES_MAX = 5
# The reader of addresses goes one step deeper for every bracket.
ADDRESS_TEXT_MAX = 400
# After an outage all is on its way within five minutes: one minute for the probe, the rest is spread.
SPREAD_SECONDS = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a mail's text: words, or an address that was found in them."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph as lines of parts. button: the address where the paragraph is nothing but one."""

    lines: tuple[tuple[Part, ...], ...]
    button: str = ""


def split_text(text: str) -> list[Paragraph]:
    """Divide a plain text into paragraphs at its empty lines, with the addresses found."""
    found: list[Paragraph] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        whole = block.strip()
        lines = tuple(tuple(split_line(line)) for line in whole.splitlines())
        found.append(Paragraph(lines, button=whole if _LINK.fullmatch(whole) else ""))
    return found


def split_line(line: str) -> list[Part]:
    """Divide a line into words and addresses."""
    parts: list[Part] = []
    place = 0
    for match in _LINK.finditer(line):
        if match.start() > place:
            parts.append(Part(line[place : match.start()]))
        parts.append(Part(match.group(), url=match.group()))
        place = match.end()
    if place < len(line):
        parts.append(Part(line[place:]))
    return parts


def header_line(text: str) -> str:
    """Return a text that is safe as the value of a header: one line, no control characters, no encoded word.

    Python's header classes decode what looks like an encoded word (RFC 2047) and write it as it is, with the line
    break that may be in it: its beginning is taken apart.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("=?", "= ?")[:SUBJECT_LENGTH_MAX]


def is_refusal(code: int) -> bool:
    """Tell whether the server's answer to a message is final: 5xx. Source: RFC 5321, section 4.2.1."""
    return 500 <= code <= 599


def claim_free_at(claimed_at: datetime | None, *, now: datetime) -> datetime | None:
    """Return when another worker may take a message that one is sending, or None for at once."""
    if claimed_at is None or now >= claimed_at + CLAIM_LIFETIME:
        return None
    return claimed_at + CLAIM_LIFETIME


def is_too_old(created_at: datetime, *, now: datetime) -> bool:
    """Tell whether trying on would no longer help the reader."""
    return now - created_at > STOP_TRYING_AFTER


def message_id(outbox_id: str, mail_from: str) -> str:
    """Return the Message-ID: the same at every try, so that mailboxes can drop a second copy."""
    domain = parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
    return f"<{outbox_id}@{domain}>"


def enhanced_status(text: str) -> str:
    """Return the enhanced status code in a server's answer (RFC 3463), or an empty text."""
    match = _ENHANCED.search(text)
    return match.group(1) if match else ""


def is_dead_address(status: str) -> bool:
    """Tell whether a status says that the address does not exist; any other refusal may be about us."""
    return status in DEAD_STATUSES


def probe_spread(message_id: UUID) -> timedelta:
    """Return a wait that differs from message to message, so that those who waited do not come back at once."""
    return timedelta(seconds=2 + message_id.int % SPREAD_SECONDS)


def next_day(now: datetime) -> datetime:
    """Return the beginning of the next day."""
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def bounce_address(address: str, message_id: UUID) -> str:
    """Return the envelope sender of one message: bounces@x becomes bounces+<id>@x, so that a report names it."""
    local, _at, domain = address.rpartition("@")
    return f"{local}+{message_id.hex}@{domain}"


def read_message_id(text: str) -> UUID | None:
    """Return the message in a bounce address or a Message-ID of ours, or None."""
    if len(text) > ADDRESS_TEXT_MAX:
        return None
    local = parseaddr(text)[1].rpartition("@")[0] or text.strip().strip("<>").partition("@")[0]
    try:
        return UUID(local.rpartition("+")[2])
    except ValueError:
        return None
