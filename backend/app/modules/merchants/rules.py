"""Pure decisions about a business."""

from __future__ import annotations

import re
import unicodedata

SLUG_LENGTH_MAX = 60


def slug_of(name: str) -> str:
    """Return a readable name for addresses: ASCII letters, digits, dashes; "shop" where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_LENGTH_MAX].strip("-") or "shop"
