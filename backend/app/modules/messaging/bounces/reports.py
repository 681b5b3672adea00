"""Reads reports about mails: RFC 3464 delivery reports, RFC 5965 complaints. Pure; what is no report says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from itertools import islice
from uuid import UUID

from app.modules.messaging.rules import enhanced_status, is_dead_address, read_message_id

PARTS_MAX = 20
ADDRESSES_MAX = 20
COMPLAINT_TYPES = frozenset({"abuse", "fraud", "virus", "not-spam", "other", "opt-out"})
HARD, SOFT, COMPLAINT = "hard", "soft", "complaint"


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says about one message of ours. kind: hard, soft or complaint."""

    kind: str
    message_id: UUID
    status: str = ""


def kind_of(status: str) -> str:
    """Return how a failed delivery counts."""
    return HARD if is_dead_address(status) else SOFT


def read_report(content: bytes, *, envelope_to: str = "") -> Report | None:
    """Read a raw mail; None for what is no report, no failure, or not about a message of ours.

    The message is named by the address the report was sent to (envelope_to or To), else by the Message-ID in what it
    gives back. Anybody may write to that address: a mail that is nested deeper than Python reads is none either.
    """
    try:
        return _read(content, envelope_to=envelope_to)
    except RecursionError:
        return None


def _read(content: bytes, *, envelope_to: str) -> Report | None:
    mail = message_from_bytes(content, policy=compat32)
    parts = list(islice(mail.walk(), PARTS_MAX))
    fields = _find(parts, "message/delivery-status")
    if fields is not None:
        return _read_delivery(mail, parts, fields, envelope_to=envelope_to)
    feedback = _find(parts, "message/feedback-report")
    if feedback is None:
        return None
    kind = _first(feedback, "Feedback-Type").lower()
    message_id = _about(mail, parts, envelope_to=envelope_to)
    if message_id is None or kind not in COMPLAINT_TYPES or kind == "not-spam":
        return None
    return Report(COMPLAINT, message_id)


def _read_delivery(
    mail: Message, parts: list[Message], fields: list[Message], *, envelope_to: str
) -> Report | None:
    message_id = _about(mail, parts, envelope_to=envelope_to)
    failed = [block for block in fields if _first([block], "Action").lower() == "failed"]
    if message_id is None or not failed:
        return None
    status = _first(failed, "Status") or _first(failed, "Diagnostic-Code")
    status = enhanced_status(status)
    # Many gateways say 5.0.0 and put what was really said into the diagnostic.
    if status.endswith(".0.0"):
        status = enhanced_status(_first(failed, "Diagnostic-Code").partition(";")[2]) or status
    return Report(kind_of(status), message_id, status)


def _find(parts: list[Message], content_type: str) -> list[Message] | None:
    for part in parts:
        if part.get_content_type() != content_type:
            continue
        payload = part.get_payload()
        if isinstance(payload, list):
            return [block for block in payload if isinstance(block, Message)]
        raw = part.get_payload(decode=True)
        return [message_from_bytes(raw if isinstance(raw, bytes) else b"", policy=compat32)]
    return None


def _first(blocks: list[Message], name: str) -> str:
    for block in blocks:
        value = block.get(name)
        if value:
            return str(value).strip()
    return ""


def _about(mail: Message, parts: list[Message], *, envelope_to: str) -> UUID | None:
    for address in (envelope_to, *(str(value) for value in mail.get_all("To", [])[:ADDRESSES_MAX])):
        if "+" in address and (found := read_message_id(address)):
            return found
    for part in parts:
        kind = part.get_content_type()
        if kind not in {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers"}:
            continue
        payload = part.get_payload()
        inner = payload[0] if isinstance(payload, list) and payload else None
        if not isinstance(inner, Message):
            raw = part.get_payload(decode=True)
            inner = message_from_bytes(raw if isinstance(raw, bytes) else b"", policy=compat32)
        if found := read_message_id(str(inner.get("Message-ID", ""))):
            return found
    return None
