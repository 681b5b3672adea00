"""Pure decisions about people: birthdays, the wording of the consent, and by what words a person is found."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from app.kernel.i18n import msg

# The wording is part of the record: change the text and its version together, never one alone.
CONSENT_TEXT = msg("I agree to receive loyalty updates and promotions.")
CONSENT_TEXT_VERSION = "2026-11"
CONSENT_PURPOSE = "marketing"
# Pages of ours on which whoever types an address ticks the box.
OWN_PAGES = frozenset({"join_page", "card_page", "preference_page"})
# What the one consent covers can be switched off singly: updates about one's own card, and promotions.
PURPOSES = ("updates", "promotions")
CHANNELS = ("email", "wallet")
PROMOTION_KINDS = frozenset({"promotion", "new_collection", "campaign", "birthday"})

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


def purpose_of(kind: str) -> str:
    """Return which purpose a kind of message belongs to; what is no promotion is about one's own card."""
    return "promotions" if kind in PROMOTION_KINDS else "updates"


# Lists end with those who gave no name; nothing that is typed sorts behind it.
NAMELESS = "\U0010ffff"
NAME_WORDS_MAX = 6
EMAIL_PARTS_MAX = 4
TERM_LENGTH_MAX = 120
PHONE_DIGITS_MIN = 4
_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_EMAIL_BREAK = re.compile(r"[._+\-]")
# Letters that no decomposition turns into plain ones.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_PHONE_ONLY = re.compile(r"\+?[0-9\s().\-/]+", re.ASCII)
# Calling codes of two digits; those of 1 and 7 have one, all others three. Source: ITU-T E.164 list, November 2026.
_TWO_DIGIT_CODES = frozenset(
    (*("20", "27"), *(str(n) for n in (*range(30, 35), 36, 39, 40, 41, *range(43, 50))))
    + (*(str(n) for n in range(51, 59)), *(str(n) for n in range(60, 67)))
    + (*("81", "82", "84", "86"), *(str(n) for n in (*range(90, 96), 98)))
)


def fold(text: str) -> str:
    """Return a text as search compares it: words in small letters, without accents and signs."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN_LETTERS))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(_WORDS.findall(letters))[:TERM_LENGTH_MAX]


def sort_name(name: str | None) -> str:
    """Return the name as lists order it."""
    return (fold(name) if name else "") or NAMELESS


def national_digits(phone: str) -> str:
    """Return a number's digits without country code and without the leading zero of a national one."""
    digits = "".join(symbol for symbol in phone if symbol.isdigit())
    is_international = phone.strip().startswith(("+", "00"))
    if not is_international:
        return digits.lstrip("0")
    digits = digits.lstrip("0")
    if digits[:1] in {"1", "7"}:
        return digits[1:]
    return digits[2:] if digits[:2] in _TWO_DIGIT_CODES else digits[3:]


def search_terms(name: str | None, email: str | None, phone: str | None) -> set[tuple[str, str]]:
    """Return by what a person is found: pairs of kind and term, each matched from its beginning.

    A name is found from each of its words on, an address from each part before the @, a number with and without its
    country code and by its last digits.
    """
    terms: set[tuple[str, str]] = set()
    words = fold(name or "").split()
    for place in range(min(len(words), NAME_WORDS_MAX)):
        terms.add(("name", " ".join(words[place:] + words[:place])))
    if email:
        address = email.lower()
        local, _, domain = address.rpartition("@")
        parts = _EMAIL_BREAK.split(local)[:EMAIL_PARTS_MAX]
        starts = [address, *(address[address.find(part) :] for part in parts if part), domain]
        terms |= {("email", start[:TERM_LENGTH_MAX]) for start in starts}
    if phone:
        digits = "".join(symbol for symbol in phone if symbol.isdigit())
        national = national_digits(phone)
        terms |= {("phone", digits), ("phone", national), ("phone_end", digits[::-1])}
    return {(kind, term) for kind, term in terms if term}


def query_terms(text: str) -> list[tuple[str, str]]:
    """Return what a typed search may mean: pairs of kind and beginning; empty for what finds nobody."""
    found: list[tuple[str, str]] = []
    typed = text.strip().lower()[:TERM_LENGTH_MAX]
    digits = "".join(symbol for symbol in typed if symbol.isascii() and symbol.isdigit())
    if _PHONE_ONLY.fullmatch(typed) and len(digits) >= PHONE_DIGITS_MIN:
        found += [("phone", digits), ("phone_end", digits[::-1])]
        national = national_digits(typed)
        if len(national) >= PHONE_DIGITS_MIN and national != digits:
            found.append(("phone", national))
    words = fold(text)
    # "Anna@" asks for an address, never for a name.
    if words and "@" not in typed:
        found.append(("name", words))
    if typed and not any(symbol.isspace() for symbol in typed):
        found.append(("email", typed))
    return found


def after_prefix(prefix: str) -> str:
    """Return the end of the range of texts that begin with the prefix, under the collation "C"."""
    return prefix + NAMELESS
