"""Texts in the reader's language: gettext catalogues beside the code that speaks, formats from CLDR.

The msgid is the English text. Catalogues are plain .po files in app/locale and modules/<name>/locale; they
are parsed at the first use of a language and merged, so nothing has to be compiled before a start.
Every text is formatted with `%`, also without variables: a literal percent sign is written `%%` everywhere.
"""

from __future__ import annotations

import gettext as gnu
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po

from app.kernel.money import Money

LANGUAGES: dict[str, str] = {"en": "English", "fr": "Français", "de": "Deutsch", "lb": "Lëtzebuergesch"}
DEFAULT_LANGUAGE = "en"
# English is the second language of the shops this is made for: day before month, 24 hours.
FORMATS_OF = {"en": "en_GB"}
ACCEPT_LANGUAGE_LENGTH_MAX = 500
KERNEL_LOCALE_FOLDER = Path(__file__).parent.parent / "locale"

Entries = dict[tuple[str | None, str], tuple[str, ...]]


def msg(text: str) -> str:
    """Mark a text that is translated later, where it is shown (`_(title)`); returns it unchanged."""
    return text


class Catalogues:
    """The merged messages of each language, parsed when a language is first asked for."""

    def __init__(self, folders: Iterable[Path] = (KERNEL_LOCALE_FOLDER,)) -> None:
        self.folders = tuple(folders)
        self._entries: dict[str, Entries] = {}
        self._plurals: dict[str, Callable[[int], int]] = {}

    def entries(self, language: str) -> Entries:
        """Return the messages of the language by context and msgid."""
        if language not in self._entries:
            merged: Entries = {}
            for folder in self.folders:
                merged.update(read_entries(folder / f"{language}.po"))
            self._entries[language] = merged
        return self._entries[language]

    def plural_form(self, language: str, count: int) -> int:
        """Return which plural form of the language goes with the count."""
        if language not in self._plurals:
            self._plurals[language] = gnu.c2py(get_plural(language).plural_expr)
        return self._plurals[language](count)


def read_entries(path: Path) -> Entries:
    """Parse one .po file; a missing file has no messages, an untranslated message is left out."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        catalogue = read_po(file)
    found: Entries = {}
    for message in catalogue:
        if not message.id or message.fuzzy:
            continue
        singular = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string)
        if all(forms):
            found[message.context, singular] = forms
    return found


class Translator:
    """One language with its texts and formats."""

    def __init__(self, catalogues: Catalogues, language: str) -> None:
        self._catalogues = catalogues
        self.language = language if language in LANGUAGES else DEFAULT_LANGUAGE

    @cached_property
    def locale(self) -> Locale:
        """Return Babel's locale of the language."""
        return Locale.parse(FORMATS_OF.get(self.language, self.language))

    def _find(self, context: str | None, singular: str, plural: str | None, count: int) -> str:
        forms = self._catalogues.entries(self.language).get((context, singular))
        if forms is None:
            return singular if plural is None or count == 1 else plural
        if plural is None:
            return forms[0]
        return forms[min(self._catalogues.plural_form(self.language, count), len(forms) - 1)]

    def gettext(self, message: str, /, **variables: object) -> str:
        """Translate a text and fill in its %(name)s places."""
        return self._find(None, message, None, 1) % variables

    def ngettext(self, singular: str, plural: str, count: int, /, **variables: object) -> str:
        """Translate a text that depends on a count; %(num)s is the count."""
        variables.setdefault("num", count)
        return self._find(None, singular, plural, count) % variables

    def pgettext(self, context: str, message: str, /, **variables: object) -> str:
        """Translate a text whose meaning depends on where it stands."""
        return self._find(context, message, None, 1) % variables

    def npgettext(self, context: str, singular: str, plural: str, count: int, /, **variables: object) -> str:
        """Translate a counted text whose meaning depends on where it stands."""
        variables.setdefault("num", count)
        return self._find(context, singular, plural, count) % variables

    def raw(self) -> RawTexts:
        """Return the lookups without filling in, for Jinja's newstyle calls, which fill in themselves."""
        return RawTexts(self)

    @cached_property
    def _group_symbol(self) -> str:
        return str(numbers.get_group_symbol(self.locale))

    def format_number(self, value: float | Decimal, *, decimals: int | None = None) -> str:
        """Write a number with the language's separators."""
        if decimals is None and isinstance(value, int):
            return f"{value:,}".replace(
                ",", self._group_symbol
            )  # what CLDR does, without its pattern each time
        if decimals is None:
            return str(numbers.format_decimal(value, locale=self.locale))
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return str(numbers.format_decimal(value, format=pattern, locale=self.locale))

    def format_percent(self, ratio: float | Decimal, *, decimals: int = 0) -> str:
        """Write a ratio (0.25) as a percentage."""
        suffix = "." + "0" * decimals if decimals else ""
        pattern = self.locale.percent_formats[None].pattern.replace("#,##0", f"#,##0{suffix}")
        return str(numbers.format_percent(ratio, format=pattern, locale=self.locale))

    def format_money(self, money: Money) -> str:
        """Write an amount with its currency."""
        return numbers.format_currency(money.amount, money.currency, locale=self.locale)

    def format_date(
        self, value: date | datetime, *, zone: str | tzinfo | None = None, style: str = "medium"
    ) -> str:
        """Write a date; a moment needs the zone it is shown in (default: UTC)."""
        if isinstance(value, datetime):
            value = value.astimezone(_zone(zone)).date()
        return dates.format_date(value, format=style, locale=self.locale)

    def format_datetime(
        self, value: datetime, *, zone: str | tzinfo | None = None, style: str = "short"
    ) -> str:
        """Write a moment in a time zone (default: UTC).

        style: 'short' writes the day as format_date does, with minutes, so that no two pages write a day
        differently; 'medium' adds the seconds.
        """
        pattern = str(dates.get_datetime_format("medium", locale=self.locale)).replace("'", "")
        day = self.format_date(value, zone=zone)
        return pattern.format(self.format_time(value, zone=zone, style=style), day)

    def format_time(
        self, value: datetime | time, *, zone: str | tzinfo | None = None, style: str = "short"
    ) -> str:
        """Write the time of day in a time zone (default: UTC)."""
        return dates.format_time(value, format=style, tzinfo=_zone(zone), locale=self.locale)


class RawTexts:
    """Lookups that leave %(name)s in place."""

    def __init__(self, translator: Translator) -> None:
        self._find = translator._find  # noqa: SLF001 (the same class in two coats)

    def gettext(self, message: str) -> str:
        """Look a text up."""
        return self._find(None, message, None, 1)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Look a counted text up."""
        return self._find(None, singular, plural, count)

    def pgettext(self, context: str, message: str) -> str:
        """Look a text up in a context."""
        return self._find(context, message, None, 1)

    def npgettext(self, context: str, singular: str, plural: str, count: int) -> str:
        """Look a counted text up in a context."""
        return self._find(context, singular, plural, count)


def _zone(zone: str | tzinfo | None) -> tzinfo:
    return zone if isinstance(zone, tzinfo) else ZoneInfo(zone or "UTC")


class _Installed:
    """The catalogues of this process: the kernel's own until the registry's folders are known."""

    catalogues = Catalogues()
    translators: dict[str, Translator] = {}


_current: ContextVar[Translator | None] = ContextVar("translator", default=None)


def install_catalogues(module_folders: Iterable[Path]) -> Catalogues:
    """Make the kernel's and these folders' catalogues the ones in effect; called once at start."""
    _Installed.catalogues = Catalogues((KERNEL_LOCALE_FOLDER, *module_folders))
    _Installed.translators = {}
    return _Installed.catalogues


def translator(language: str | None) -> Translator:
    """Return the translator of a language; an unknown one gives English."""
    known = language if language in LANGUAGES else DEFAULT_LANGUAGE
    assert known is not None
    if known not in _Installed.translators:
        _Installed.translators[known] = Translator(_Installed.catalogues, known)
    return _Installed.translators[known]


def current() -> Translator:
    """Return the translator of the request or job at hand (English outside both)."""
    return _current.get() or translator(DEFAULT_LANGUAGE)


def set_current(language: str) -> None:
    """Set the language for the rest of this request or job."""
    _current.set(translator(language))


@contextmanager
def use_language(language: str | None) -> Iterator[Translator]:
    """Speak a language inside the block, for mails and passes made in somebody's own language."""
    chosen = translator(language)
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


def gettext(message: str, /, **variables: object) -> str:
    """Translate into the current language."""
    return current().gettext(message, **variables)


def ngettext(singular: str, plural: str, count: int, /, **variables: object) -> str:
    """Translate a counted text into the current language."""
    return current().ngettext(singular, plural, count, **variables)


def pgettext(context: str, message: str, /, **variables: object) -> str:
    """Translate a text in its context into the current language."""
    return current().pgettext(context, message, **variables)


_ = gettext


def negotiate(
    accept_language: str | None, cookie: str | None, chosen: str | None, *, fallback: str | None = None
) -> str:
    """Return the language to answer in: the person's choice, the cookie, the browser, the fallback."""
    for wish in (chosen, cookie):
        if wish in LANGUAGES:
            return str(wish)
    for wish in accepted_languages(accept_language or ""):
        if wish in LANGUAGES:
            return wish
    return fallback if fallback in LANGUAGES and fallback is not None else DEFAULT_LANGUAGE


def accepted_languages(header: str) -> list[str]:
    """Return the primary languages of an Accept-Language header, most wanted first."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:ACCEPT_LANGUAGE_LENGTH_MAX].split(",")):
        tag, _separator, parameter = part.strip().partition(";")
        quality = 1.0
        if parameter.strip().startswith("q="):
            try:
                quality = float(parameter.strip()[2:])
            except ValueError:
                continue
        if quality > 0:
            wishes.append((-quality, place, tag.split("-")[0].strip().lower()))
    return [language for _quality, _place, language in sorted(wishes)]
