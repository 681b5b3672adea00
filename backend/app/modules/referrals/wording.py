"""What gifts and states are called."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.modules.referrals.rules import Gift


def gift_text(gift: Gift, rewards: Mapping[UUID, str]) -> str:
    """Return "20 points and a coffee"; empty for nothing."""
    number = current().format_number
    parts = []
    if gift.points:
        parts.append(
            ngettext("%(number)s point", "%(number)s points", gift.points, number=number(gift.points))
        )
    if gift.stamps:
        parts.append(
            ngettext("%(number)s stamp", "%(number)s stamps", gift.stamps, number=number(gift.stamps))
        )
    if gift.reward_id is not None and gift.reward_id in rewards:
        parts.append(rewards[gift.reward_id])
    return " + ".join(parts)


def visits_text(needed: int) -> str:
    """Return "after the first purchase", or "after purchase number 3"."""
    return (
        _("after the first purchase") if needed == 1 else _("after purchase number %(number)s", number=needed)
    )


def friend_state(status: str, outcome: str) -> str:
    """Return how far a friend is, for who brought them: no name, no day, no reason."""
    if status == "given":
        if outcome == "given":
            return _("Your gift is on your card")
        return _("Came along; no further gift for you") if outcome != "gone" else _("Came along")
    sayings = {
        "joined": _("Joined; your gift follows the purchase"),
        "review": _("Has bought; the shop is looking at it"),
        "due": _("Has bought; your gift is on its way"),
        "declined": _("No gift for this one"),
        "ended": _("No longer there"),
    }
    return sayings[status]


def shop_state(status: str) -> str:
    """Return how far a friend is, for the shop."""
    sayings = {
        "joined": _("Waits for the purchase"),
        "review": _("To be looked at"),
        "due": _("Gift on its way"),
        "given": _("Given"),
        "declined": _("Declined"),
        "ended": _("Card deleted"),
    }
    return sayings[status]


def outcome_text(outcome: str) -> str:
    """Return what became of one side's gift; empty while it is open."""
    sayings = {
        "": "",
        "given": _("given"),
        "limit": _("limit reached"),
        "left": _("does not fit this card"),
        "nothing": _("nothing promised"),
        "gone": _("card deleted"),
    }
    return sayings[outcome]


def reason_text(reason: str) -> str:
    """Return why a friend is held, in words that accuse nobody."""
    sayings = {
        "self": _("Both cards belong to the same person"),
        "circle": _("Came in a circle: who was brought along brings the first one back"),
        "known": _("Seems to have been a customer before"),
        "same_mail": _("Two addresses that may be one mailbox"),
        "same_device": _("Joined or collected on a device that holds another card"),
    }
    return sayings[reason]
