"""More points for a level: pure, by the trait of the card and the rules of the shop."""

from __future__ import annotations

from decimal import Decimal

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.modules.visits.public import EarnContext, EarnDraft

RULE = "tiers"
# Multipliers come after what adds points (docs/adr/0013).
ORDER = 210


def multiply(context: EarnContext, draft: EarnDraft) -> EarnDraft:
    """Multiply what the purchase earned so far by the factor of the card's level."""
    level = context.rules_of(RULE).get("levels", {}).get(context.trait(RULE).get("level"))
    if level is None or draft.points <= 0:
        return draft
    name, factor = str(level[0]), Decimal(level[1])
    if factor <= 1:
        return draft
    return draft.add(RULE, draft.points * (factor - 1), f"{factor.normalize():f}|{name}")


def words(detail: str) -> str:
    """Return "Gold: points × 1.5" for a line of explanation."""
    factor, _sign, name = detail.partition("|")
    number = current().format_number(Decimal(factor))
    return _("%(level)s: points × %(factor)s", level=name, factor=number)
