"""Who stands at the till, and how many wrong PINs are too many: pure decisions of promises.md 1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.kernel.outcomes import Refusal

Via = Literal["pin", "shared_pin", "device", "api_key", "member"]

MANAGER_ROLES = frozenset({"manager", "owner"})
# Analysts read figures; they stand at no till and get no PIN.
TILL_ROLES = frozenset({"cashier", "manager"})


@dataclass(frozen=True, slots=True)
class StaffRef:
    """Who gave or took something. id: None for a shared PIN or an API key. via: how they were recognised."""

    id: UUID | None
    name: str
    role: str
    via: Via
    device_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `wrong_max` wrong PINs within any stretch of `window`."""

    wrong_max: int
    window: timedelta


# On customers' phones. Source: promises.md 1.5.
CARD_BURST = Limit(5, timedelta(minutes=15))
CARD_DAY = Limit(10, timedelta(days=1))
NEW_CARDS_HOUR = Limit(20, timedelta(hours=1))
NEW_CARDS_DAY = Limit(50, timedelta(days=1))
ADDRESS_HOUR = Limit(20, timedelta(hours=1))
# A known card with a day's worth of wrong PINs since its last right one answers with the new cards again.
RELAPSE = Limit(CARD_DAY.wrong_max, timedelta(days=7))
# On a paired device: nobody else's failures count there, and its own touch no other device.
DEVICE_BURST = Limit(5, timedelta(minutes=15))
DEVICE_PAIR_AGAIN = Limit(10, timedelta(days=7))
# The merchant is told at this many wrong PINs an hour in a store.
ALERT = Limit(15, timedelta(hours=1))

ATTEMPTS_KEPT_FOR = timedelta(days=8)
PAIRING_CODE_LASTS = timedelta(minutes=10)
PIN_DRAWS_MAX = 50


@dataclass(frozen=True, slots=True)
class PinGate:
    """What the limits say about one card at one store before a PIN is looked at.

    Each moment is that of the oldest attempt which still fills its limit, None while there is room.
    """

    is_known: bool
    card_burst: datetime | None
    card_day: datetime | None
    new_cards_hour: datetime | None
    new_cards_day: datetime | None
    address_hour: datetime | None


def decide_gate(gate: PinGate) -> Refusal | None:
    """Refuse while a limit is full; retry_at is when the last of the full ones has room again.

    A known card answers only for itself: new cards and other people behind the same address never block it.
    """
    full = [(gate.card_burst, CARD_BURST), (gate.card_day, CARD_DAY)]
    if not gate.is_known:
        full += [
            (gate.new_cards_hour, NEW_CARDS_HOUR),
            (gate.new_cards_day, NEW_CARDS_DAY),
            (gate.address_hour, ADDRESS_HOUR),
        ]
    free_at = [oldest + limit.window for oldest, limit in full if oldest is not None]
    return Refusal("pin_blocked", retry_at=max(free_at)) if free_at else None


def decide_manager(staff: StaffRef) -> Refusal | None:
    """Refuse what only a manager may do; an API key and a dashboard member were checked by their scopes."""
    if staff.role in MANAGER_ROLES:
        return None
    return Refusal("manager_required")


def decide_shift_open(active_at: datetime | None, *, idle_lock: timedelta, now: datetime) -> bool:
    """Tell whether a shift last active at `active_at` is still open."""
    return active_at is not None and now - active_at < idle_lock


# PINs end at a quiet hour of the store's clock, never in the middle of a working day.
RENEWAL_HOUR = 4
RENEWAL_REMINDER = timedelta(days=2)
RenewalState = Literal["fine", "due", "ended"]


@dataclass(frozen=True, slots=True)
class Renewal:
    """When a PIN is to be drawn anew, and when it ends if nobody has."""

    due_at: datetime
    ends_at: datetime

    def state(self, now: datetime) -> RenewalState:
        """Return what the PIN is at a moment."""
        if now >= self.ends_at:
            return "ended"
        return "due" if now >= self.due_at else "fine"

    def is_last_days(self, now: datetime) -> bool:
        """Tell whether a reminder is due."""
        return self.ends_at - RENEWAL_REMINDER <= now < self.ends_at


def renewal_of(
    drawn_at: datetime | None, *, weeks: int, grace: timedelta, counted_from: datetime, time_zone: str
) -> Renewal:
    """Return a PIN's renewal. counted_from: renewal was switched on then, and makes nothing due before.

    It ends at the first quiet hour after the grace period: switching renewal on ends nothing sooner than that.
    """
    due_at = max((drawn_at or counted_from) + timedelta(weeks=weeks), counted_from)
    late = (due_at + grace).astimezone(ZoneInfo(time_zone))
    quiet = late.replace(hour=RENEWAL_HOUR, minute=0, second=0, microsecond=0)
    if quiet < late:
        quiet = (quiet.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=late.tzinfo)
    return Renewal(due_at, quiet.astimezone(UTC))


def renewal_since(before: int, after: int, since: datetime | None, *, now: datetime) -> datetime | None:
    """Return from when renewal counts after its weeks changed; a longer period keeps the old beginning."""
    if not after:
        return None
    return now if not before or since is None or after < before else since


def is_guessable(pin: str) -> bool:
    """Tell whether a drawn PIN is one of the few that people try first: 000000, 123456, 654321, 121212."""
    steps = {(int(b) - int(a)) % 10 for a, b in zip(pin, pin[1:], strict=False)}
    return steps <= {0} or steps <= {1} or steps <= {9} or len(set(pin[::2])) == len(set(pin[1::2])) == 1
