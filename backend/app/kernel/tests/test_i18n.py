"""Texts and formats in four languages, and the tool that keeps the catalogues true."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel import numbers

from app.kernel.i18n import Catalogues, Translator, accepted_languages, negotiate, use_language
from app.kernel.money import Money

BACKEND = Path(__file__).parents[3]
MOMENT = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("i18n_tool", BACKEND / "tools" / "i18n.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name.
    import sys

    sys.modules["i18n_tool"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def french(tmp_path):
    (tmp_path / "fr.po").write_text(
        HEADER + 'msgid "Hello %(name)s"\nmsgstr "Bonjour %(name)s"\n\n'
        'msgid "One stamp"\nmsgid_plural "%(num)s stamps"\n'
        'msgstr[0] "Un tampon"\nmsgstr[1] "%(num)s tampons"\n\n'
        'msgctxt "card"\nmsgid "Full"\nmsgstr "Pleine"\n\n'
        '#, fuzzy\nmsgid "Old"\nmsgstr "Vieux"\n\n'
        'msgid "Untranslated"\nmsgstr ""\n'
    )
    return Translator(Catalogues([tmp_path]), "fr")


def test_texts_come_from_the_catalogue_and_fall_back_to_english(french):
    """Places are filled; what is missing, empty or doubtful is English; zero is singular in French."""
    assert french.gettext("Hello %(name)s", name="Anna") == "Bonjour Anna"
    assert french.ngettext("One stamp", "%(num)s stamps", 0) == "Un tampon"
    assert french.ngettext("One stamp", "%(num)s stamps", 1) == "Un tampon"
    assert french.ngettext("One stamp", "%(num)s stamps", 2) == "2 tampons"
    assert french.pgettext("card", "Full") == "Pleine"
    assert french.gettext("Full") == "Full"
    assert french.gettext("Old") == "Old"
    assert french.gettext("Untranslated") == "Untranslated"
    assert french.gettext("50 %% off") == "50 % off"


@pytest.mark.parametrize(
    ("language", "number", "percent", "money", "day", "moment"),
    [
        ("en", "1,234.5", "26%", "€5,990.90", "1 Feb 2026", "1 Feb 2026, 00:30"),
        ("fr", "1\u202f234,5", "26\xa0%", "5\u202f990,90\xa0€", "1 févr. 2026", "1 févr. 2026, 00:30"),
        ("de", "1.234,5", "26\xa0%", "5.990,90\xa0€", "01.02.2026", "01.02.2026, 00:30"),
        ("lb", "1.234,5", "26\xa0%", "5.990,90\xa0€", "1. Feb. 2026", "1. Feb. 2026 00:30"),
    ],
)
def test_formats_follow_the_language_and_the_zone(language, number, percent, money, day, moment):
    """Numbers, money and moments as CLDR writes them; the day is the shop's, not UTC's."""
    with use_language(language) as texts:
        assert texts.format_number(1234.5) == number
        assert texts.format_percent(0.256) == percent
        assert texts.format_money(Money(599_090, "EUR")) == money
        assert texts.format_date(MOMENT, zone="Europe/Luxembourg") == day
        assert texts.format_datetime(MOMENT, zone="Europe/Luxembourg") == moment
        assert texts.format_datetime(MOMENT, zone="Europe/Luxembourg", style="medium") == f"{moment}:00"


@pytest.mark.parametrize("language", ["en", "fr", "de", "lb"])
@pytest.mark.parametrize("number", [0, 7, 999, 1_000, -1_234, 1_234_567, 10**15])
def test_whole_numbers_are_written_as_cldr_does(language, number):
    """The short way for whole numbers gives what Babel gives."""
    with use_language(language) as texts:
        assert texts.format_number(number) == numbers.format_decimal(number, locale=texts.locale)


@pytest.mark.parametrize(
    ("header", "cookie", "chosen", "language"),
    [
        ("lb-LU, fr;q=0.9", None, None, "lb"),
        ("fr;q=0.4, de;q=0.5", None, None, "de"),
        ("pt, es", None, None, "en"),
        ("de;q=0, fr;q=0.1", None, None, "fr"),
        ("de", "fr", None, "fr"),
        ("de", "fr", "lb", "lb"),
        ("de", "xx", "../..", "de"),
        (None, None, None, "en"),
        (";;;q=,", None, None, "en"),
        ("de;q=nan", None, None, "en"),
    ],
)
def test_the_wish_nearest_to_the_person_counts(header, cookie, chosen, language):
    """Choice, cookie, browser, English: in this order, and nonsense is passed over."""
    assert negotiate(header, cookie, chosen) == language


def test_a_long_header_is_cut():
    """What comes after the limit is not read."""
    assert len(accepted_languages("de," * 10_000)) < 200


def make_app(tmp_path, source, **catalogues):
    module = tmp_path / "app" / "modules" / "games"
    (module / "locale").mkdir(parents=True)
    (module / "pages.py").write_text(source)
    for language in ("en", "fr", "de", "lb"):
        (module / "locale" / f"{language}.po").write_text(
            HEADER + catalogues.get(language, catalogues["all"])
        )
    return tmp_path / "app"


@pytest.mark.parametrize(
    ("source", "entry", "problem"),
    [
        ("_('Hi %(name)s')", 'msgid "Hi %(name)s"\nmsgstr "Hi %(nom)s"\n', "the places differ (name, nom)"),
        ("_('Hi')", 'msgid "Hi"\nmsgstr ""\n', "not translated"),
        ("_('Hi')", 'msgid "Hi"\nmsgstr "Hi"\n\nmsgid "Gone"\nmsgstr "Gone"\n', "not used any more"),
        ("_('<b>Hi</b>')", 'msgid "<b>Hi</b>"\nmsgstr "<i>Hi</i>"\n', "the tags differ"),
        ("_('Hi ')", 'msgid "Hi "\nmsgstr "Hi"\n', "the spaces around it differ"),
        ("_('5 % off')", 'msgid "5 % off"\nmsgstr "5 % off"\n', "write %%"),
        ("ngettext('a', 'b', n)", 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "a"\n', "not translated"),
    ],
)
def test_check_finds(tool, tmp_path, source, entry, problem):
    """Each kind of mistake is named; the same source with a right catalogue is clean."""
    found = tool.check(make_app(tmp_path, source, all=entry))

    assert any(problem in line for line in found), found


def test_extract_makes_catalogues_that_wait_for_translation_only(tool, tmp_path):
    """English is filled in, known translations stay, what is gone is dropped."""
    app = make_app(
        tmp_path,
        "_('Hi'); msg('New'); pgettext('card', 'Full'); ngettext('One', '%(num)s', n)",
        all='msgid "Hi"\nmsgstr "Salut"\n\nmsgid "Gone"\nmsgstr "Parti"\n',
    )
    (app / "locale").mkdir()

    waiting = tool.extract(app)

    assert waiting == 3 * 3
    problems = tool.check(app)
    assert all("not translated" in problem for problem in problems)
    assert len(problems) == 9
    french = (app / "modules" / "games" / "locale" / "fr.po").read_text()
    assert 'msgstr "Salut"' in french
    assert "Gone" not in french
