"""docs/promises.md names tests and files that exist: a promise shown by nothing would be the worst of them."""

from __future__ import annotations

import re
import shlex

import pytest
from _pytest.mark.expression import Expression

from tools.lint.sources import BACKEND, ROOT

PAGE = (ROOT / "docs" / "promises.md").read_text()
TEST = re.compile(r"`(test_\w+[a-z0-9])(?:\[[^\]]*\])?`")
PLACE = re.compile(r"\b((?:app|tests)/[\w/]+(?:\.py)?)")
WANTED = re.compile(r"`T [^`]*`")


def known_tests() -> set[str]:
    """Return the name of every test there is."""
    found: set[str] = set()
    for folder in ("app", "tests"):
        for path in (BACKEND / folder).rglob("test_*.py"):
            found.update(re.findall(r"def (test_\w+)", path.read_text()))
    return found


def strangers(page: str) -> list[str]:
    """Return the tests and places that a page names and that are not there."""
    known = known_tests()
    tests = [name for name in TEST.findall(page) if name not in known]
    return sorted({*tests, *(place for place in PLACE.findall(page) if not (BACKEND / place).exists())})


def unselected(page: str) -> list[str]:
    """Return the tests named in rows whose command would not run them: another place, or a -k that passes them by."""
    homes: dict[str, set[str]] = {}
    for folder in ("app", "tests"):
        for path in (BACKEND / folder).rglob("test_*.py"):
            for name in re.findall(r"def (test_\w+)", path.read_text()):
                homes.setdefault(name, set()).add(str(path.relative_to(BACKEND)))
    found, commands = [], [""]
    for row in rows_of(page):
        # "the same" runs the commands of the row above.
        commands = [command[3:-1] for command in WANTED.findall(row)] or commands
        found += [
            name
            for name in TEST.findall(row)
            if not any(selects(command, home, name) for command in commands for home in homes.get(name, ()))
        ]
    return found


def selects(command: str, home: str, name: str) -> bool:
    """Tell whether pytest with these arguments runs a test; home: its file, from backend/."""
    words = shlex.split(command)
    chosen = words.pop(words.index("-k") + 1) if "-k" in words else ""
    if not any(home.startswith(place) for place in words if place != "-k"):
        return False
    names = [part.lower() for part in (*home.split("/")[1:], name)]
    return not chosen or Expression.compile(chosen).evaluate(
        lambda word: any(word.lower() in n for n in names)
    )


def rows_of(page: str) -> list[str]:
    """Return the rows of the page's tables."""
    return [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| promise")]


def test_every_command_runs_the_tests_of_its_row() -> None:
    """Who copies the command of a row runs what the row names."""
    assert unselected(PAGE) == []


@pytest.mark.parametrize("command", ["T app/modules/fraud", "T tests/security -k nothing_like_it"])
def test_control_a_command_that_passes_its_test_by_is_found(command: str) -> None:
    """A command of another place, or with another choice, is named with the test that it leaves out."""
    row = f"\n| a promise | `test_every_test_and_place_exists` | `{command}` | |"

    assert unselected(PAGE + row) == ["test_every_test_and_place_exists"]


def test_every_test_and_place_exists() -> None:
    """Each name in the document leads somewhere."""
    assert len(TEST.findall(PAGE)) > 40
    assert strangers(PAGE) == []


@pytest.mark.parametrize("name", ["`test_nobody_ever_wrote_this`", "`T app/modules/nowhere/tests`"])
def test_control_a_dead_reference_is_found(name: str) -> None:
    """A test or place that is gone is named."""
    assert len(strangers(PAGE + name)) == 1


def test_every_row_has_a_command() -> None:
    """A promise without the command that shows it is a wish; "the same" points to the row above."""
    without = [row for row in rows_of(PAGE) if not WANTED.search(row) and "the same" not in row]

    assert without == []
