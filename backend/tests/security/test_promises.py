"""docs/promises.md names tests and files that exist: a promise shown by nothing would be the worst of them."""

from __future__ import annotations

import re

import pytest

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
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    without = [row for row in rows if not WANTED.search(row) and "the same" not in row]

    assert without == []
