"""What the columns of a file mean, and what a row says about a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.kernel.i18n import LANGUAGES, msg
from app.modules.customers.public import Birthday, CustomerDetails, fold, make_birthday, parse_birthday
from app.utils.validators import NAME_LENGTH_MAX, clean_email, clean_line, clean_phone

FIELDS = {
    "name": msg("Name"),
    "first_name": msg("First name"),
    "last_name": msg("Last name"),
    "email": msg("Email"),
    "phone": msg("Phone"),
    "birthday": msg("Birthday"),
    "locale": msg("Language"),
    "consent": msg("Agreed to e-mails (yes or no)"),
    "stamps": msg("Stamps to begin with"),
    "points": msg("Points to begin with"),
}
PROBLEMS = {
    "nobody": msg("neither a name nor an e-mail nor a phone number"),
    "name": msg("the name is too long"),
    "email": msg("this is no e-mail address"),
    "phone": msg("this is no phone number"),
    "birthday": msg("this is no birthday"),
    "stamps": msg("stamps are a whole number from 0 to 100"),
    "points": msg("points are a whole number from 0 to 1,000,000"),
    "card_full": msg("more stamps than the card has places"),
}
START_MAX = {"stamps": 100, "points": 1_000_000}

# Words of column names, folded: letters small, accents gone.
_GUESSES: Mapping[str, tuple[str, ...]] = {
    "first_name": ("first name", "firstname", "given name", "prenom", "vorname", "virnumm", "rufname"),
    "last_name": ("last name", "lastname", "surname", "family name", "nom de famille", "nachname")
    + ("familienname", "nonumm", "familljennumm"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "adresse e mail", "courriel")
    + ("e mail adresse", "mailadresse", "email adresse"),
    "phone": ("phone", "mobile", "telephone", "phone number", "tel", "gsm", "portable", "telefon", "handy")
    + ("telefonnummer", "mobil", "mobilnummer", "handynummer", "telefonsnummer"),
    "birthday": ("birthday", "date of birth", "birth date", "dob", "anniversaire", "date de naissance")
    + ("geburtstag", "geburtsdatum", "gebuertsdag"),
    "locale": ("language", "locale", "lang", "langue", "sprache", "sprooch"),
    "consent": ("consent", "newsletter", "marketing", "opt in", "agreed to updates", "consentement")
    + ("einwilligung", "zustimmung", "accord", "averstanen"),
    "stamps": ("stamps", "stamp count", "tampons", "stempel", "stempelen"),
    "points": ("points", "points balance", "solde de points", "punkte", "punktestand", "punkten"),
    "name": ("name", "full name", "customer", "customer name", "nom", "nom complet", "kunde", "kundenname")
    + ("client", "numm", "clientsnumm"),
}
_YES = frozenset(("yes", "y", "true", "1", "x", "ja", "j", "oui", "o", "jo", "wahr", "vrai", "opt in"))
_LANGUAGE_WORDS = {"english": "en", "anglais": "en", "englisch": "en", "french": "fr", "francais": "fr"} | {
    **{"franzosisch": "fr", "german": "de", "deutsch": "de", "allemand": "de", "daitsch": "de"},
    **{"luxembourgish": "lb", "letzebuergesch": "lb", "luxembourgeois": "lb", "luxemburgisch": "lb"},
}
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})(?:[./](\d{4})?)?", re.ASCII)
_WHOLE = re.compile(r"\d{1,7}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """A row that makes sense."""

    person: CustomerDetails
    stamps: int = 0
    points: int = 0

    @property
    def email_key(self) -> str:
        """Return the address in small letters, or an empty text."""
        return (self.person.email or "").lower()

    @property
    def phone_key(self) -> str:
        """Return the number's digits, or an empty text."""
        return "".join(symbol for symbol in self.person.phone or "" if symbol.isdigit())


def guess_columns(header: Sequence[str]) -> dict[str, int]:
    """Return which column probably holds what, by its name; every column once, the first that fits."""
    folded = [fold(name) for name in header]
    found: dict[str, int] = {}
    for field, words in _GUESSES.items():
        for place, name in enumerate(folded):
            if name in words and place not in found.values():
                found[field] = place
                break
    if "name" in found and "last_name" not in found and "first_name" in found:
        # "Nom" beside "Prénom" is the family name.
        found["last_name"] = found.pop("name")
    return found


def parse_row(
    cells: Sequence[str], columns: Mapping[str, int], *, today: date, locale: str
) -> ParsedRow | str:
    """Return what a row says, or the name of its problem."""

    def cell(field: str) -> str:
        place = columns.get(field)
        return clean_line(cells[place]) if place is not None and place < len(cells) else ""

    name = cell("name") or " ".join(part for part in (cell("first_name"), cell("last_name")) if part)
    if len(name) > NAME_LENGTH_MAX:
        return "name"
    readers = {"email": clean_email, "phone": clean_phone}
    values: dict[str, str | None] = {}
    for field, read in readers.items():
        try:
            values[field] = read(cell(field)) if cell(field) else None
        except ValueError:
            return field
    if not (name or values["email"] or values["phone"]):
        return "nobody"
    try:
        birthday = read_birthday(cell("birthday"), today=today) if cell("birthday") else None
    except ValueError:
        return "birthday"
    starts: dict[str, int] = {}
    for field, most in START_MAX.items():
        text = cell(field) or "0"
        if not _WHOLE.fullmatch(text) or int(text) > most:
            return field
        starts[field] = int(text)
    person = CustomerDetails(name or None, values["email"], values["phone"], birthday, locale)
    spoken = read_language(cell("locale"))
    person = replace(person, locale=spoken or locale, email_consent=cell("consent").casefold() in _YES)
    return ParsedRow(person, **starts)


def read_birthday(text: str, *, today: date) -> Birthday:
    """Read 1990-05-17, 05-17, 17.5.1990, 17/05/1990 or 17.5.; raises ValueError."""
    match = _DAY_FIRST.fullmatch(text)
    if match is None:
        return parse_birthday(text, today=today)
    day, month, year = match.groups()
    return make_birthday(day=int(day), month=int(month), year=int(year) if year else None, today=today)


def read_language(text: str) -> str | None:
    """Return the language that a word or a code means, or None."""
    word = fold(text)
    return (
        word[:2]
        if word[:2] in LANGUAGES and (len(word) == 2 or text[2:3] in "-_")
        else _LANGUAGE_WORDS.get(word)
    )
