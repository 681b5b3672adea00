"""What a purchase gives back and what becomes of it: pure decisions over whole minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.kernel.ledger import Lot
from app.modules.points.public import add_months

# Basis points: hundredths of a percent, so that 2.5 % is a whole number.
BASIS = 10_000
RATE_BP_MAX = 5_000
ROUNDINGS = {
    "half_even": ROUND_HALF_EVEN,
    "half_up": ROUND_HALF_UP,
    "down": ROUND_DOWN,
    "up": ROUND_UP,
}


@dataclass(frozen=True, slots=True)
class Earned:
    """What a purchase gives back. base_minor: the part that was not paid with credit. is_exact: nothing rounded."""

    amount_minor: int
    base_minor: int
    is_exact: bool


def decide_cashback(amount_minor: int, tendered_minor: int, *, rate_bp: int, rounding: str) -> Earned:
    """Take the percentage of what was paid otherwise than from the card, and round once, last.

    The minor unit is the currency's own: a cent, a whole yen, a fils. Half-even favours nobody in the long run.
    """
    base = max(0, amount_minor - tendered_minor)
    exact = Decimal(base * rate_bp) / BASIS
    whole = exact.to_integral_value(ROUNDINGS[rounding])
    return Earned(int(whole), base, exact == whole)


def decide_expiry(earned_at: datetime, months: int, *, time_zone: str) -> datetime | None:
    """Return the first moment at which a lot is worth nothing; None where credit never expires.

    It is good to the end of a day of the shop's calendar, so that "until 20 November" includes that day.
    """
    if not months:
        return None
    zone = ZoneInfo(time_zone)
    last = add_months(earned_at, months, time_zone=time_zone).astimezone(zone).date()
    return datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)


def is_alive(expires_at: datetime | None, now: datetime) -> bool:
    """Tell whether a lot can still be spent."""
    return expires_at is None or expires_at > now


def spendable(lots: Sequence[Lot], now: datetime) -> int:
    """Return what can be spent of these lots."""
    return sum(lot.remaining for lot in lots if is_alive(lot.expires_at, now))


@dataclass(frozen=True, slots=True)
class GivenLot:
    """The lot of an earning that is to be taken back: what it was, and what of it has expired."""

    lot: Lot
    amount_minor: int
    expired_minor: int


def to_take_back(given: GivenLot, *, coming_back: int, now: datetime) -> int:
    """Return how much an earning's undo takes: what expired of it is gone already and is not taken twice.

    coming_back: what the same undo returns to this very lot.
    """
    gone = given.expired_minor
    if not is_alive(given.lot.expires_at, now):
        gone += given.lot.remaining + coming_back
    return given.amount_minor - gone


def is_spent_already(
    balance: int,
    lots: Sequence[Lot],
    *,
    back: Mapping[UUID, int],
    all_lots: Mapping[UUID, Lot],
    given: Sequence[GivenLot],
    now: datetime,
) -> bool:
    """Tell whether an undo would take more than the card has left after what the undo itself returns.

    back: what returns, by lot. Credit that has expired covers nothing.
    """
    held = spendable(lots, now) if balance >= 0 else balance
    returned = sum(part for lot_id, part in back.items() if is_alive(all_lots[lot_id].expires_at, now))
    taken = sum(to_take_back(one, coming_back=back.get(one.lot.id, 0), now=now) for one in given)
    return held + returned - taken < min(0, held)


def share_back(uses: Sequence[tuple[UUID, int]], lots: Mapping[UUID, Lot], *, room: int) -> dict[UUID, int]:
    """Return how much of what a spending took goes back to each lot, where a debt leaves only so much room.

    Lots that live longest are filled first: a debt is paid with what would be gone soonest.
    """
    ordered = sorted(
        uses,
        key=lambda use: (lots[use[0]].expires_at or datetime.max.replace(tzinfo=UTC), use[0]),
        reverse=True,
    )
    shares: dict[UUID, int] = {}
    for lot_id, taken in ordered:
        part = min(taken, room)
        room -= part
        shares[lot_id] = shares.get(lot_id, 0) + part
    return shares
