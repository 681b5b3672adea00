"""Points that count more in the days around a birthday: pure, by the days noted on the card with the gift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.modules.visits.public import EarnContext, EarnDraft

RULE = "birthdays"
# Multipliers come after what adds points, this one after the level's (docs/adr/0013).
ORDER = 220


def days_trait(factor: Decimal, first: date, last: date) -> Mapping[str, Any]:
    """Return what the till must know of a card: from which to which day its points count how often."""
    return {"factor": f"{factor.normalize():f}", "from": first.isoformat(), "until": last.isoformat()}


def multiply(context: EarnContext, draft: EarnDraft) -> EarnDraft:
    """Multiply what the purchase earned so far, in the days that were noted, by the clock of the store."""
    noted = context.trait(RULE)
    if not noted or draft.points <= 0:
        return draft
    today = context.now.astimezone(ZoneInfo(context.policy.time_zone)).date()
    if not date.fromisoformat(noted["from"]) <= today <= date.fromisoformat(noted["until"]):
        return draft
    factor = Decimal(noted["factor"])
    return draft.add(RULE, draft.points * (factor - 1), f"{factor.normalize():f}")


def words(detail: str) -> str:
    """Return "Birthday: points × 2" for a line of explanation."""
    return _("Birthday: points × %(factor)s", factor=current().format_number(Decimal(detail)))
