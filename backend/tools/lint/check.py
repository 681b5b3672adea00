"""Runs the rules over the files, and looks at texts of every kind for what must not be in a checkout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.lint.rules import RULES
from tools.lint.sources import ROOT, Problem, SourceFile, list_text_files, read_python_files

# A home folder or a checkout of one machine. "/root" alone is a word of the manual, a path below it is not.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home/(?!stempel\b)\w+|Users/\w+|root/\w+|work/\w+)")
ADDRESS = re.compile(
    r"(?:https?|git|file|ssh)(?:\+\w+)?://|--(?:extra-)?index-url|--find-links|@\s*(?:file|https?):"
)
OPEN_END = re.compile(r"\b(TODO|FIXME)\b")
# The rules and their examples name what they forbid.
SPEAKS_OF_IT = ("backend/tools/lint/", "backend/tests/runner/test_locks.py")


def check_file(file: SourceFile) -> Iterator[Problem]:
    """Yield the problems of one Python file."""
    for rule in RULES:
        for line, text in rule(file):
            yield Problem(file.path, line, rule.__name__, text)


def check_text(path: str, text: str) -> Iterator[Problem]:
    """Yield the problems of one text file of any kind. path: relative to the checkout."""
    if path.startswith(SPEAKS_OF_IT):
        return
    is_lock = bool(re.fullmatch(r"backend/requirements.*\.(txt|in)", path))
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            yield Problem(path, number, "no_machine_path", "a path of one machine")
        if is_lock and ADDRESS.search(line.partition("#")[0]):
            yield Problem(path, number, "no_address_in_locks", "every machine uses its own package index")
        if not path.endswith(".py") and OPEN_END.search(line):
            yield Problem(path, number, "no_open_ends", "finish it, or write an issue")


def find_problems(files: Iterable[SourceFile] | None = None, *, root: Path = ROOT) -> list[Problem]:
    """Return every problem of the checkout."""
    found: list[Problem] = []
    for file in files if files is not None else read_python_files():
        found += check_file(file)
    for path in list_text_files(root):
        found += check_text(path.relative_to(root).as_posix(), path.read_text())
    return found
