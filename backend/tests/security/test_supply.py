"""What we build on: locked, licensed, and read by linters that were seen to find something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import bandit, licences
from tools.lint.sources import ROOT

BACKEND = ROOT / "backend"


def test_the_licence_list_is_true() -> None:
    """docs/licences.md is what the packages' metadata says; run `python -m tools.licences` after a change."""
    rows, absent = licences.collect()

    assert licences.problems_of(rows) == []
    assert (ROOT / "docs" / "licences.md").read_text() == licences.render(rows)
    assert len(rows) > 100
    # What is in the lock for other systems must not become a way round the check.
    assert len(absent) < 15, absent


@pytest.mark.parametrize(
    ("licence", "where", "is_allowed"),
    [
        ("MIT", "shipped", True),
        ("MIT OR LGPL-2.1-or-later", "shipped", True),
        ("Apache-2.0 AND MIT", "shipped", True),
        ("GPL-3.0-only OR MIT", "shipped", True),
        ("GPL-3.0-or-later", "shipped", False),
        ("AGPL-3.0-only", "tests", False),
        ("MIT AND GPL-3.0-only", "shipped", False),
        ("Artistic-1.0-Perl", "tests", True),
        ("Artistic-1.0-Perl", "shipped", False),
        ("SSPL-1.0", "shipped", False),
        ("Proprietary", "shipped", False),
        ("", "shipped", False),
    ],
)
def test_licences_are_judged(licence: str, where: str, is_allowed: bool) -> None:
    """The control: unknown and forbidden licences are refused, alternatives and combinations understood."""
    assert licences.is_allowed(licence, used_in=where) is is_allowed
    assert bool(licences.problems_of([("x", "1", licence, where)])) is not is_allowed


def test_bandit_finds_what_is_planted(tmp_path: Path) -> None:
    """The control of the check in `./stempel lint`: a planted shell, hash and certificate check are found."""
    planted = tmp_path / "planted.py"
    planted.write_text(
        "import hashlib, ssl, subprocess\n"
        "subprocess.run('ls ' + input(), shell=True)\n"
        "hashlib.md5(b'x')\n"
        "ssl._create_unverified_context()\n"
        "exec(input())\n"
    )
    found = {rule for _file, rule, _line, _words in bandit.find_issues(str(planted))}

    assert {"B102", "B324", "B323", "B602"} <= found


def test_a_finding_nobody_accepted_fails_and_so_does_a_stale_line() -> None:
    """The list of accepted findings is neither a net with holes nor a cemetery."""
    found = [("app/a.py", "B608", 3, "SQL")]

    assert bandit.judge(found, {("app/a.py", "B608"): "constants"}) == []
    assert "app/a.py:3: B608" in bandit.judge(found, {})[0]
    assert "not found any more" in bandit.judge([], {("app/a.py", "B608"): "constants"})[0]


def test_there_is_no_workflow_that_zizmor_would_have_to_read() -> None:
    """zizmor reads GitHub workflows. There are none; with the first one this test says to add it to the checks."""
    assert not list((ROOT / ".github").glob("workflows/*")), (
        "add zizmor to tools/checks.sh for these workflows"
    )


def test_every_semgrep_rule_has_its_examples() -> None:
    """`./stempel semgrep` proves the rules; here it is seen that none came without a good and a bad example."""
    rules = (BACKEND / "tools/semgrep/rules.yaml").read_text()
    names = [line.removeprefix("  - id: ") for line in rules.splitlines() if line.startswith("  - id: ")]

    assert len(names) >= 8
    for name in names:
        text = "".join(path.read_text() for path in (BACKEND / "tools/semgrep/examples").glob(f"{name}.*"))
        assert f"ruleid: {name}" in text, name
        assert f"ok: {name}" in text, name


def test_bandit_is_clean() -> None:
    """What `./stempel lint` asks: nothing found that nobody explained."""
    answer = subprocess.run(
        [sys.executable, "-m", "tools.bandit"], capture_output=True, text=True, check=False, cwd=BACKEND
    )

    assert answer.returncode == 0, answer.stdout
