"""A feature is a folder: what names it elsewhere is the list of modules, its migration, its page, tests and texts."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2]
REPOSITORY = BACKEND.parent
FEATURES = {
    "tiers": ("tier_level", "tier_standing", "tier_move"),
    "birthdays": ("birthday_gift",),
    "referrals": ("referral", "referral_link"),
    "cashback": ("credit_entry", "credit_lot", "credit_account"),
    "webhooks": ("webhook_endpoint", "webhook_event", "webhook_delivery", "webhook_attempt"),
}
"""The features that prove the extension points, with their tables."""

# Every file that may name a feature, and why. Nothing else below backend/app does.
MAY_NAME = {
    "app/installed.py": "the list of modules: one line each",
    "app/db/migrations/versions/0001_foundation.sql": "its tables, made from its models",
    "app/db/rights.py": "the rights that the migration gives: a ledger only grows, the system finds what is due",
}
# Files that lie beside those of other modules and belong to one feature by their name.
OWN_FILES = ("app/static/css/{feature}.css",)
READ = {".py", ".html", ".css", ".js", ".sql", ".mjml", ".json", ".txt"}
SKIPPED = ("vendor", "locale", "__pycache__", "tests")


def code_of(path: Path) -> str:
    """Return what a file says to the machine: a Python file without comments and docstrings, any other as it is."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return source
    said, before = [], tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.NL}:
            continue
        is_docstring = token.type == tokenize.STRING and before in {
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
        }
        before = token.type
        if not is_docstring:
            said.append(token.string)
    return "\n".join(said)


def named_in(text: str, feature: str) -> bool:
    """Tell whether a text names one of a feature's tables, or the feature other than as a word of a sentence."""
    tables = "|".join(map(re.escape, FEATURES[feature]))
    return re.search(rf"\b(?:{tables})\b|(?<![A-Za-z_ ]){feature}(?![A-Za-z_])", text) is not None


def files_that_name(feature: str, root: Path) -> list[str]:
    """Return every file below root/app, outside the feature's folder, whose code names it."""
    own = {pattern.format(feature=feature) for pattern in OWN_FILES}
    found = []
    for path in sorted((root / "app").rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix not in READ or name.startswith(f"app/modules/{feature}/") or name in own:
            continue
        if not set(SKIPPED) & set(path.parts) and named_in(code_of(path), feature):
            found.append(name)
    return found


@pytest.mark.parametrize("feature", FEATURES)
def test_no_other_file_names_a_feature(feature: str) -> None:
    """Outside its folder a feature is named in the list of modules and its migration, and in no other module."""
    found = files_that_name(feature, BACKEND)
    assert "app/installed.py" in found
    assert [name for name in found if name not in MAY_NAME] == []


@pytest.mark.parametrize(
    ("name", "text", "is_found"),
    [
        ("app/modules/till/pages.py", 'URL = "/dashboard/cashback"\n', True),
        ("app/modules/till/queries.py", 'SQL = "SELECT 1 FROM credit_entry"\n', True),
        ("app/modules/till/hooks.py", "from app.modules.cashback.public import give\n", True),
        ("app/modules/till/templates/till/card.html", '{% include "cashback/_till.html" %}', True),
        ("app/modules/till/rules.py", '"""Asked by cashback."""\nX = 1  # and cashback\n', False),
        ("app/modules/till/words.py", 'TEXT = "cashbacks, no_cashback_here"\n', False),
        ("app/modules/till/settings.py", 'ABOUT = "Say how much cashback there was."\n', False),
        ("app/modules/cashback/rules.py", 'FEATURE = "cashback"\n', False),
    ],
)
def test_control_a_planted_name_is_found(tmp_path: Path, name: str, text: str, is_found: bool) -> None:
    """A name in a module's code, statement, import or template is found; in a comment or another word it is none."""
    planted = tmp_path / name
    planted.parent.mkdir(parents=True)
    planted.write_text(text, encoding="utf-8")
    assert files_that_name("cashback", tmp_path) == ([name] if is_found else [])


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_its_page_with_a_picture(feature: str) -> None:
    """One page of user documentation with a screenshot that is there."""
    page = (REPOSITORY / "docs" / f"{feature}.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\((screenshots/[^)]+)\)", page)
    assert pictures
    assert [one for one in pictures if not (REPOSITORY / "docs" / one).is_file()] == []


def test_every_exception_is_needed() -> None:
    """A file that names no feature any more is not on the list."""
    found = {name for feature in FEATURES for name in files_that_name(feature, BACKEND)}
    assert sorted(set(MAY_NAME) - found) == []
