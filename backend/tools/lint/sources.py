"""The files the rules look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[2]
ROOT = BACKEND.parent
TEXT_SUFFIXES = frozenset(
    (".py", ".md", ".html", ".css", ".js", ".sh", ".toml", ".txt", ".in", ".sql", ".po", ".svg", ".yaml")
)
TEXT_NAMES = frozenset(("stempel", "Makefile", "run", "Dockerfile", ".importlinter"))
CACHES = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")
SKIPPED_FOLDERS = frozenset((*CACHES, ".git", "vendor", "test-results"))


@dataclass(frozen=True)
class Problem:
    """A place that breaks a rule."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


@dataclass(frozen=True)
class SourceFile:
    """A Python file. path: relative to the backend folder, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Return the syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def in_app(self) -> bool:
        """Tell whether this is code of the product, not of its tests."""
        return self.path.startswith("app/") and "/tests/" not in self.path

    @property
    def in_module(self) -> bool:
        """Tell whether this is product code of a module."""
        return self.in_app and self.path.startswith("app/modules/")

    @property
    def name(self) -> str:
        """Return the file's name without suffix."""
        return self.path.rpartition("/")[2].removesuffix(".py")

    @property
    def is_edge(self) -> bool:
        """Tell whether handlers live here: api.py, pages.py and files named after them."""
        return self.name.endswith(("api", "pages", "web_service"))


def read_python_files() -> list[SourceFile]:
    """Return every Python file of app, tests and tools, in order."""
    found = []
    for folder in ("app", "tests", "tools"):
        for path in sorted((BACKEND / folder).rglob("*.py")):
            if not SKIPPED_FOLDERS & set(path.parts):
                found.append(SourceFile(path.relative_to(BACKEND).as_posix(), path.read_text()))
    return found


def list_text_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield every text file of the checkout that is ours: no vendored files, caches or environments."""
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and not path.name.startswith(".venv"):
                yield from list_text_files(path)
        elif path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES:
            yield path
