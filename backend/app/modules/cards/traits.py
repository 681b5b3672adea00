"""What features note on a card for their rules of earning: read with every visit, at no cost of its own.

A trait lies in the card's own row. So the one statement that loads a visit has it, and whoever gives the visit on the
version that was read (docs/adr/0012) gives it by the traits of that version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.modules.cards.models import PassObject

# All of a feature's together, as JSON: it is read and decoded with every stamp.
TRAIT_LENGTH_MAX = 500


def find_trait(card: PassObject, feature: str) -> Mapping[str, Any]:
    """Return what the feature noted on the card; empty where it noted nothing."""
    found: Mapping[str, Any] = card.traits.get(feature) or {}
    return found


def set_trait(card: PassObject, feature: str, values: Mapping[str, Any]) -> bool:
    """Note on the locked card what the feature's rule must know; empty values take the note away.

    values: JSON-ready; nothing that says who it is, and for no longer than the rule needs it. Returns whether anything
    changed; the caller raises the revision and marks the card where that is to be seen.
    """
    assert len(json.dumps(dict(values))) <= TRAIT_LENGTH_MAX
    if find_trait(card, feature) == values:
        return False
    others = {name: noted for name, noted in card.traits.items() if name != feature}
    card.traits = others | ({feature: dict(values)} if values else {})
    return True
