"""Pure decisions about birthdays: which celebration a day belongs to, and until when its gift is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

# The reason under which a card's history knows the gift.
GIFT = "birthdays.gift"
DAYS_AROUND_MAX = 31
REDEEM_DAYS_MAX = 92
# How often points may count in the days around a birthday.
FACTOR_MAX = 10
# Two celebrations of one person lie a year apart. Closer together, the birthday was edited around New Year.
APART_MIN = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Window:
    """From how many days before to how many after the birthday the gift is given; redeem_days: how long it is good."""

    days_before: int = 0
    days_after: int = 7
    redeem_days: int = 14


def celebrated_in(year: int, *, month: int, day: int) -> date:
    """Return the birthday in a year; 29 February is the 28th in common years."""
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, 2, 28)


def find_celebration(*, month: int, day: int, window: Window, today: date) -> date | None:
    """Return the celebration in whose window today lies, of this year or across New Year; None outside."""
    for year in (today.year - 1, today.year, today.year + 1):
        celebrated = celebrated_in(year, month=month, day=day)
        first = celebrated - timedelta(days=window.days_before)
        if first <= today <= celebrated + timedelta(days=window.days_after):
            return celebrated
    return None


def due_birthdays(window: Window, today: date) -> list[tuple[int, int]]:
    """Return what is celebrated within the window around today, as (month times 100 plus day, year of celebration)."""
    found = []
    for offset in range(-window.days_after, window.days_before + 1):
        day = today + timedelta(days=offset)
        found.append((day.month * 100 + day.day, day.year))
        if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3:
            found.append((229, day.year))
    return found


def good_until(celebrated: date, window: Window) -> date:
    """Return the last day on which a reward can be redeemed: never before the last on which it is given."""
    return celebrated + timedelta(days=max(window.days_after, window.redeem_days))


def counts_until(celebrated: date, window: Window) -> date:
    """Return the last day on which purchases count more: the last of the days in which the gift is given."""
    return celebrated + timedelta(days=window.days_after)


def is_too_close(celebrated: date, others: list[date]) -> bool:
    """Tell whether another celebration of the same person was given for within half a year."""
    return any(abs(celebrated - other) < APART_MIN for other in others)


def has_been_known(joined: date, *, days: int, today: date) -> bool:
    """Tell whether somebody has been a customer for so many days."""
    return (today - joined).days >= days
