"""Pure decisions: whether the name was typed, and what still works in a closed business."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

OPEN_AGAIN_FOR = timedelta(days=30)
# Wallets hear in this time that the cards are void; then what is left of the business goes.
VOIDED_WITHIN = timedelta(days=3)

# What a member may do while the business is closed: open it again, take the data along, mind the own sign-in.
ALLOWED = frozenset({"business.close", "exports.view", "members.view"})


def is_name(typed: str, name: str) -> bool:
    """Tell whether the name of the business was typed; spaces around it and capitals do not matter."""
    plain = _plain(name)
    return bool(plain) and _plain(typed) == plain


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def may_still(permission: str, *, reads_only: bool, is_erased: bool) -> bool:
    """Tell whether a member of a closed business may do this; of an erased one nothing is left to see."""
    return not is_erased and (reads_only or permission in ALLOWED)
