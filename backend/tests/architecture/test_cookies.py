"""Every cookie has a name of its own: two that share one would overwrite each other in the same browser."""

from __future__ import annotations

import re
from collections import Counter

from tools.lint.sources import SourceFile, read_python_files

COOKIE = re.compile(r'^\w*COOKIE = "([^"]+)"', re.MULTILINE)


def shared_names(files: list[SourceFile]) -> list[str]:
    """Return the names that several constants give to a cookie."""
    names = Counter(name for file in files if file.in_app for name in COOKIE.findall(file.text))
    return sorted(name for name, count in names.items() if count > 1)


def test_cookie_names_are_unique() -> None:
    """No two modules call their cookie the same, and there are some."""
    files = read_python_files()

    assert sum(len(COOKIE.findall(file.text)) for file in files if file.in_app) > 10
    assert shared_names(files) == []


def test_a_planted_second_cookie_is_found() -> None:
    """The control: a module that takes the staff device's cookie name is noticed."""
    planted = SourceFile("app/modules/fridays/browser.py", 'FRIDAY_COOKIE = "device"\n')

    assert shared_names([*read_python_files(), planted]) == ["device"]
