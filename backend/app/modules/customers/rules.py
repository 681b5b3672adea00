"""Pure decisions about people: birthdays, the wording of the consent, what a joined duplicate adds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from app.kernel.i18n import msg

# The wording is part of the record: change the text and its version together, never one alone.
CONSENT_TEXT = msg("I agree to receive loyalty updates and promotions.")
CONSENT_TEXT_VERSION = "2026-11"
CONSENT_PURPOSE = "marketing"

BIRTH_YEAR_MIN = 1900
LEAP_YEAR = 2000
_BIRTHDAY = re.compile(r"(?:(\d{4})-|--)?(\d{2})-(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Birthday:
    """Day and month of birth; the year only where the person gave it."""

    day: int
    month: int
    year: int | None = None

    def __str__(self) -> str:
        """Return 1990-05-17, or --05-17 without a year (as in vCards)."""
        return f"{f'{self.year:04d}-' if self.year else '--'}{self.month:02d}-{self.day:02d}"


def make_birthday(*, day: int, month: int, year: int | None, today: date) -> Birthday:
    """Return the birthday; raises ValueError for a day that does not exist or lies ahead.

    29 February is a birthday without a year, too.
    """
    born = date(year or LEAP_YEAR, month, day)
    if year is not None and not (BIRTH_YEAR_MIN <= year and born <= today):
        raise ValueError("not a year of birth")
    return Birthday(day, month, year)


def parse_birthday(text: str, *, today: date) -> Birthday:
    """Read 1990-05-17, 05-17 or --05-17; raises ValueError for anything else."""
    match = _BIRTHDAY.fullmatch(text.strip())
    if match is None:
        raise ValueError("a birthday looks like 1990-05-17 or 05-17")
    year, month, day = match.groups()
    return make_birthday(day=int(day), month=int(month), year=int(year) if year else None, today=today)
