"""What a visit does to the stamps of a card: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.kernel.outcomes import Refusal


@dataclass(frozen=True, slots=True)
class StampState:
    """The card as it was read under its lock. stamps_today counts nothing here: visits have their own cap."""

    stamp_count: int
    last_stamp_at: datetime | None


@dataclass(frozen=True, slots=True)
class StampPolicy:
    """The programme's rules for stamps. full_card: "stop" (a full card takes none) or "carry_on" (it is banked)."""

    stamps_needed: int
    cooldown: timedelta
    stamps_per_visit: int
    full_card: str


@dataclass(frozen=True, slots=True)
class StampGranted:
    """What is given. stamps_added: entries of the visit; banked: full cards set aside; left_over: did not fit."""

    stamps_added: int
    banked: int
    stamp_count: int
    left_over: int


def decide_stamp(
    state: StampState, policy: StampPolicy, *, quantity: int, now: datetime
) -> StampGranted | Refusal:
    """Decide how many of the wanted stamps the card takes.

    quantity: at least 1. A visit that would overfill gives what fits and says what is left over; with carry_on a
    full card is banked and the rest starts the next one.
    Refusals: card_full, too_soon (with retry_at).
    """
    assert quantity >= 1
    if policy.full_card == "stop" and state.stamp_count >= policy.stamps_needed:
        return Refusal("card_full")
    free_at = next_stamp_at(state.last_stamp_at, policy.cooldown)
    if free_at is not None and now < free_at:
        return Refusal("too_soon", retry_at=free_at)
    wanted = min(quantity, policy.stamps_per_visit)
    if policy.full_card == "stop":
        wanted = min(wanted, policy.stamps_needed - state.stamp_count)
        return StampGranted(wanted, 0, state.stamp_count + wanted, quantity - wanted)
    total = state.stamp_count + wanted
    banked = max(0, total) // policy.stamps_needed
    return StampGranted(wanted, banked, total - banked * policy.stamps_needed, quantity - wanted)


def next_stamp_at(last_stamp_at: datetime | None, cooldown: timedelta) -> datetime | None:
    """Return from when the next stamp is possible, or None where nothing has to be waited for."""
    if last_stamp_at is None or not cooldown:
        return None
    return last_stamp_at + cooldown
