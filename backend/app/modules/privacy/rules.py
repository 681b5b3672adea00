"""Pure decisions of privacy: who is inactive, and by what fingerprint a consent is recognised again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

MONTHS_CHOICES = (0, 12, 24, 36, 48, 60)
MONTHS_SUGGESTED = 36
ERASE, CHANGE_EMAIL, REMOVE_EMAIL = "erase", "change_email", "remove_email"
KINDS = (ERASE, CHANGE_EMAIL, REMOVE_EMAIL)


def months_before(now: datetime, months: int) -> datetime:
    """Return the same moment so many months earlier; the 31st becomes the last day there is."""
    month = now.year * 12 + now.month - 1 - months
    year, month = divmod(month, 12)
    for day in range(now.day, 0, -1):
        try:
            return now.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def proof_hash(proof: Mapping[str, object]) -> str:
    """Return the SHA-256 of a consent as it is exported, in hex: the same record always has the same."""
    plain = {name: value for name, value in proof.items() if name != "sha256"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
