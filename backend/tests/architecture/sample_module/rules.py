"""What a Friday changes, and when the shop sleeps: pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.kernel.outcomes import Refusal
from app.modules.visits.public import EarnContext, EarnDraft

FRIDAY = 4
FRIDAY_POINTS = Decimal(5)
OPENS_AT = time(5)


def refuse_at_night(context: EarnContext) -> Refusal | None:
    """Refuse a visit between midnight and five, by the store's clock."""
    local = context.now.astimezone(ZoneInfo(context.policy.time_zone))
    if local.time() >= OPENS_AT:
        return None
    return Refusal("too_soon", retry_at=opening_of(local))


def opening_of(local: datetime) -> datetime:
    """Return when the shop opens on this day."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=OPENS_AT.hour)


def add_on_fridays(context: EarnContext, draft: EarnDraft) -> EarnDraft:
    """Add five points to a purchase on a Friday."""
    local = context.now.astimezone(ZoneInfo(context.policy.time_zone))
    if context.request.amount is None or local.weekday() != FRIDAY:
        return draft
    return draft.add("fridays", FRIDAY_POINTS, "Friday")
