"""Keep the catalogues true to the sources: `python tools/i18n.py extract` and `… check` (from backend/).

Each module's texts are in its own locale folder, the kernel's and the shared templates' in app/locale.
extract adds what is new (filled from a translation that another module has already), drops what is gone, and
never guesses.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

BACKEND = Path(__file__).parents[1]
SOURCE_LANGUAGE = "en"
LANGUAGES = ("en", "fr", "de", "lb")
KEYWORDS = {
    "_": None,
    "msg": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
# As the templates' environment is set, so that trimmed blocks give the same text here and there.
TEMPLATE_OPTIONS = {
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
    "newstyle_gettext": "true",
}
LINE_WIDTH = 110

PLACE = re.compile(r"%\((\w+)\)[sd]")
LONE_PERCENT = re.compile(r"%(?!%|\(\w+\)[sd])")
TAG = re.compile(r"</?[a-zA-Z][^>]*>")

Key = tuple[str | None, str]


@dataclass
class Found:
    """A text in the sources: its forms and the files that use it."""

    singular: str
    plural: str | None
    context: str | None
    files: set[str] = field(default_factory=set)

    @property
    def message_id(self) -> str | tuple[str, str]:
        """Return the id as catalogues write it."""
        return self.singular if self.plural is None else (self.singular, self.plural)


@dataclass(frozen=True)
class Area:
    """A folder of sources with its catalogues: a module, or the kernel with the shared templates."""

    name: str
    sources: tuple[Path, ...]
    locale: Path

    def path(self, language: str) -> Path:
        """Return the catalogue of a language."""
        return self.locale / f"{language}.po"


def list_areas(app: Path) -> list[Area]:
    """Return the kernel's area and one for each module."""
    shared = tuple(path for path in sorted(app.iterdir()) if path.name not in {"modules", "static", "locale"})
    areas = [Area("kernel", shared, app / "locale")]
    for folder in sorted((app / "modules").glob("*/")):
        areas.append(Area(folder.name, (folder,), folder / "locale"))
    return areas


def _files(area: Area) -> Iterator[Path]:
    for source in area.sources:
        candidates = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in candidates:
            inner = path.relative_to(source.parent).parts
            if "tests" in inner or "locale" in inner or "__pycache__" in inner:
                continue
            if path.suffix == ".py" or (path.suffix in {".html", ".txt", ".mjml"} and "templates" in inner):
                yield path


def collect(area: Area, *, root: Path) -> dict[Key, Found]:
    """Return every text of the area's sources."""
    found: dict[Key, Found] = {}
    for path in _files(area):
        is_python = path.suffix == ".py"
        method = "python" if is_python else "jinja2.ext:babel_extract"
        options = {} if is_python else TEMPLATE_OPTIONS
        for _line, message, _comments, context in extract_from_file(method, path, KEYWORDS, options=options):
            singular, plural = (message, None) if isinstance(message, str) else (message[0], message[1])
            if not singular:
                continue
            entry = found.setdefault((context, singular), Found(singular, plural, context))
            entry.plural = entry.plural or plural
            entry.files.add(path.relative_to(root).as_posix())
    return found


def read_catalogue(path: Path) -> dict[Key, tuple[str, ...]]:
    """Return a catalogue's translations; untranslated and fuzzy ones are empty."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    read: dict[Key, tuple[str, ...]] = {}
    for message in catalogue:
        if not message.id:
            continue
        singular = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string)
        read[message.context, singular] = ("",) * len(forms) if message.fuzzy else forms
    return read


def _write(path: Path, language: str, entries: list[tuple[Found, tuple[str, ...]]]) -> None:
    catalogue = Catalog(locale=language)
    for found, forms in entries:
        string = forms[0] if found.plural is None else forms
        catalogue.add(
            found.message_id,
            string,
            context=found.context,
            locations=[(name, 0) for name in sorted(found.files)],
        )
    path.parent.mkdir(exist_ok=True)
    plural = get_plural(language)
    header = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n'
        f'"Plural-Forms: nplurals={plural.num_plurals}; plural={plural.plural_expr};\\n"\n\n'
    )
    with path.open("wb") as file:
        file.write(header.encode())
        # No dates and no line numbers: they would change with every run and every edit.
        write_po(file, catalogue, width=LINE_WIDTH, omit_header=True, sort_output=True, include_lineno=False)


def extract(app: Path) -> int:
    """Bring every catalogue up to date; return how many texts still wait for a translation."""
    areas = list_areas(app)
    memory: dict[str, dict[Key, tuple[str, ...]]] = {language: {} for language in LANGUAGES}
    for area in areas:
        for language in LANGUAGES:
            known = read_catalogue(area.path(language))
            memory[language].update({key: forms for key, forms in known.items() if all(forms)})
    waiting = 0
    for area in areas:
        found = collect(area, root=app.parent)
        if not found:
            continue
        for language in LANGUAGES:
            own = read_catalogue(area.path(language))
            entries = []
            for key, text in found.items():
                forms = _forms(text, language, own.get(key), memory[language].get(key))
                waiting += not all(forms)
                entries.append((text, forms))
            _write(area.path(language), language, entries)
    return waiting


def _forms(
    text: Found, language: str, own: tuple[str, ...] | None, remembered: tuple[str, ...] | None
) -> tuple[str, ...]:
    if language == SOURCE_LANGUAGE:
        return (text.singular,) if text.plural is None else (text.singular, text.plural)
    wanted = 1 if text.plural is None else get_plural(language).num_plurals
    for forms in (own, remembered):
        if forms and len(forms) == wanted and all(forms):
            return forms
    return ("",) * wanted


def check(app: Path) -> list[str]:
    """Return what is wrong with the catalogues, one sentence each."""
    problems: list[str] = []
    seen: dict[tuple[str, Key], tuple[str, tuple[str, ...]]] = {}
    for area in list_areas(app):
        found = collect(area, root=app.parent)
        for text in found.values():
            for form in (text.singular, text.plural or ""):
                if LONE_PERCENT.search(form):
                    problems.append(f"{area.name}: write %% for a percent sign in {form!r}")
        for language in LANGUAGES:
            known = read_catalogue(area.path(language))
            where = f"{area.name}/{language}"
            problems.extend(f"{where}: not used any more: {key[1]!r}" for key in known.keys() - found.keys())
            for key, text in found.items():
                forms = known.get(key)
                problems.extend(
                    f"{where}: {problem}: {text.singular!r}" for problem in _judge(text, language, forms)
                )
                other = seen.setdefault((language, key), (area.name, forms or ()))
                if forms and other[1] and other[1] != forms:
                    problems.append(f"{where}: {other[0]} translates this in another way: {text.singular!r}")
    return problems


def _judge(text: Found, language: str, forms: tuple[str, ...] | None) -> Iterator[str]:
    if forms is None or not all(forms):
        yield "not translated"
        return
    wanted = 1 if text.plural is None else get_plural(language).num_plurals
    if len(forms) != wanted:
        yield f"needs {wanted} forms and has {len(forms)}"
        return
    for number, form in enumerate(forms):
        source = text.plural if text.plural is not None and number > 0 else text.singular
        places = set(PLACE.findall(source)) ^ set(PLACE.findall(form))
        # "One stamp" may leave the number out, "%(num)s stamps" may not.
        if text.plural is not None and number == 0:
            places -= {"num"}
        if places:
            yield f"the places differ ({', '.join(sorted(places))})"
        if LONE_PERCENT.search(form):
            yield "write %% for a percent sign"
        if sorted(TAG.findall(source)) != sorted(TAG.findall(form)):
            yield "the tags differ"
        if (source[:1].isspace(), source[-1:].isspace()) != (form[:1].isspace(), form[-1:].isspace()):
            yield "the spaces around it differ"


def main(arguments: list[str]) -> int:
    """Run the command; return the exit status."""
    app = BACKEND / "app"
    if arguments == ["extract"]:
        print(f"{extract(app)} texts wait for a translation")
        return 0
    if arguments == ["check"]:
        problems = check(app)
        print("\n".join(problems) or "all catalogues are complete")
        return 1 if problems else 0
    print("usage: python tools/i18n.py extract | check")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
