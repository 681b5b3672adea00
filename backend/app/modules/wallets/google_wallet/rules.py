"""Ids, hashes of what was sent, and the budget of notifications. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

# Google shows at most three notifications for a pass in 24 hours and refuses more.
NOTIFICATIONS_MAX = 3
NOTIFICATION_WINDOW = timedelta(hours=24)
# The last one is kept for what the holder would be sorry to miss.
NOTIFICATIONS_ORDINARY = 2
HASH_LENGTH = 16
_OBJECT = re.compile(r"([0-9]{1,30})\.c-([0-9a-f]{32})-([0-9a-f]{32})")
# Fields whose change Google may announce, and which are worth it.
NOTIFIED_FIELDS = frozenset({"loyaltyPoints", "secondaryLoyaltyPoints"})
# Fields that an object may have at one time and not at another.
OPTIONAL_FIELDS = (
    *("accountName", "barcode", "heroImage", "linksModuleData"),
    *("loyaltyPoints", "secondaryLoyaltyPoints", "textModulesData"),
)
# In place of a hash: nobody knows what Google has.
UNKNOWN = ""


def class_id(issuer_id: str, merchant_id: UUID, program_id: UUID) -> str:
    """Return the id of a programme's class."""
    return f"{issuer_id}.p-{merchant_id.hex}-{program_id.hex}"


def object_id(issuer_id: str, merchant_id: UUID, pass_id: UUID) -> str:
    """Return the id of a card's object; it begins with the merchant, as everything that leads back to us."""
    return f"{issuer_id}.c-{merchant_id.hex}-{pass_id.hex}"


def read_object_id(text: str) -> tuple[str, UUID, UUID] | None:
    """Return issuer, merchant and card of an object id that we made, or None."""
    found = _OBJECT.fullmatch(text)
    return (found[1], UUID(found[2]), UUID(found[3])) if found else None


def hash_fields(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a short hash of each top-level field: enough to see what changed, and nothing to read."""
    return {name: _hash(value) for name, value in body.items()}


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]


def changed_fields(body: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a PATCH has to carry: fields that differ, and None for those that are gone."""
    hashes = hash_fields(body)
    changed = {name: value for name, value in body.items() if sent.get(name) != hashes[name]}
    return changed | {name: None for name in sent if name not in body}


def distrust(sent: Mapping[str, str], fields: Iterable[str] = ()) -> dict[str, str]:
    """Return the hashes as those of which nobody knows whether Google has them; without fields all that may be there.

    An empty hash equals none. What was never sent stays so: it is inserted, or replaced as a whole.
    """
    if not sent:
        return {}
    return {**sent, **dict.fromkeys(fields or {*sent, *OPTIONAL_FIELDS}, UNKNOWN)}


def recent(notified: Sequence[str], *, now: datetime) -> list[str]:
    """Return the notifications that still count."""
    return [at for at in notified if now - datetime.fromisoformat(at) < NOTIFICATION_WINDOW]


def notifications_left(notified: Sequence[str], *, now: datetime) -> int:
    """Return how many notifications Google still shows for the pass."""
    return max(0, NOTIFICATIONS_MAX - len(recent(notified, now=now)))


def may_notify(notified: Sequence[str], *, is_important: bool, now: datetime) -> bool:
    """Tell whether a change is announced; an ordinary one leaves the last notification for a reward."""
    used = len(recent(notified, now=now))
    return used < (NOTIFICATIONS_MAX if is_important else NOTIFICATIONS_ORDINARY)
