"""How redemptions and voids are answered, and which refusals every call at the till may give."""

from __future__ import annotations

from app.modules.rewards.schemas import RedeemAnswer, VoidAnswer
from app.modules.rewards.service import RedeemGranted
from app.modules.rewards.undo import VoidGranted

PIN_ERRORS = (
    "unauthenticated",
    "forbidden",
    "pin_wrong",
    "pins_off",
    "pin_blocked",
    "not_found",
    "invalid",
    "rate_limited",
)


def present_redemption(granted: RedeemGranted) -> RedeemAnswer:
    """Return the answer with the giver's name, which is not stored with it."""
    return RedeemAnswer.model_validate(granted.answer | {"given_by": granted.given_by})


def present_void(granted: VoidGranted) -> VoidAnswer:
    """Return the answer to a void."""
    return VoidAnswer.model_validate(granted.answer)
