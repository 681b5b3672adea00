"""Words for events, states and errors, and an example of every payload."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.kernel.i18n import msg
from app.modules.webhooks.rules import EVENTS, TEST, write_body

EVENT_WORDS = {
    "visit.given": msg("A visit was given: stamps, points or both"),
    "visit.undone": msg("A visit was taken back"),
    "reward.unlocked": msg("A visit unlocked a reward"),
    "reward.redeemed": msg("A reward was given out"),
    "reward.taken_back": msg("A redemption was taken back"),
    "card.joined": msg("Somebody got a card"),
    "card.blocked": msg("A card was blocked"),
    "card.unblocked": msg("A blocked card works again"),
    "card.merged": msg("A card was merged into another"),
    "customer.changed": msg("A customer's details changed"),
    "customer.erased": msg("A customer was erased"),
    "tier.changed": msg("A card reached or left a level"),
    "usage.warned": msg("Four fifths of a limit of the plan are used"),
    "usage.reached": msg("A limit of the plan was reached"),
    "usage.month_closed": msg("A month of usage was counted to its end"),
    TEST: msg("A test"),
}
GROUPS = (
    (msg("Visits and rewards"), {"visit", "reward"}),
    (msg("Cards and levels"), {"card", "tier"}),
    (msg("Customers"), {"customer"}),
    (msg("Plan"), {"usage"}),
)
"""What an event is about, by the first word of its name."""
assert {name.split(".")[0] for name in EVENTS} == set[str]().union(*(about for _title, about in GROUPS))
STATE_WORDS = {
    "waiting": msg("Waiting"),
    "delivered": msg("Delivered"),
    "failed": msg("Failed"),
}
ERROR_WORDS = {
    "timeout": msg("No answer within 15 seconds"),
    "unreachable": msg("Could not be reached"),
    "address": msg("The name leads into a private network"),
    "redirect": msg("Answered with a redirect, which is not followed"),
    "answer": msg("Answered with an error"),
    "gone": msg("Answered that it wants no more events"),
    "late": msg("Not delivered within three days"),
    "off": msg("Was switched off"),
}
OFF_WORDS = {
    "member": msg("Switched off by your team. Events are not written down for it."),
    "gone": msg("Switched off: it answered 410 Gone, which means that it wants no more events."),
    "failing": msg("Switched off: it has not taken an event for five days."),
}

_ID = UUID("01995f0e-7c1a-7000-8000-0000000000aa")
_VISIT = {"visit_id": _ID, "pass_id": _ID, "customer_id": _ID, "store_id": _ID}
_CARD = {"pass_id": _ID, "customer_id": _ID}
EXAMPLES: dict[str, dict[str, Any]] = {
    "visit.given": {
        **_VISIT,
        "stamps": 1,
        "points": 0,
        "amount_minor": 450,
        "currency": "EUR",
        "source": "customer_phone",
    },
    "visit.undone": {**_VISIT, "stamps": -1, "points": 0},
    "reward.unlocked": {**_VISIT, "reward_id": _ID, "waiting": 1},
    "reward.redeemed": {
        "redemption_id": _ID,
        "reward_id": _ID,
        **_CARD,
        "store_id": _ID,
        "cost": 10,
        "cost_kind": "stamps",
    },
    "reward.taken_back": {"redemption_id": _ID, **_CARD, "stamps": 10, "points": 0},
    "card.joined": {**_CARD, "store_id": _ID, "program_id": _ID, "source": "join_page"},
    "card.blocked": _CARD,
    "card.unblocked": _CARD,
    "card.merged": {**_CARD, "into_pass_id": _ID, "program_id": _ID},
    "customer.changed": {"customer_id": _ID, "fields": ["name", "email"]},
    "customer.erased": {"customer_id": _ID},
    "tier.changed": {**_CARD, "before": None, "after": _ID},
    "usage.warned": {"month": "2026-11", "meter": "cards", "used": 160, "limit": 200},
    "usage.reached": {"month": "2026-11", "meter": "cards", "used": 200, "limit": 200},
    "usage.month_closed": {"month": "2026-10", "usage": {"cards": 158, "visits": 912, "mails": 40}},
}
assert set(EXAMPLES) == set(EVENTS)


def example_of(kind: str) -> dict[str, Any]:
    """Return the whole body of such an event."""
    data = {"merchant_id": str(_ID)} | {
        name: str(value) if isinstance(value, UUID) else value for name, value in EXAMPLES[kind].items()
    }
    body = write_body(_ID, kind, at=datetime(2026, 11, 20, 9, tzinfo=UTC), data=data)
    found: dict[str, Any] = json.loads(body)
    return found
