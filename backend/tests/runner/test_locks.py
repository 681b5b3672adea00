"""The lock files name packages and hashes, and no machine or address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.runner.helpers import BACKEND

LOCKS = [
    "requirements.txt",
    "requirements-test.txt",
    "requirements-uv.txt",
    "requirements-testdata.txt",
    "requirements-semgrep.txt",
]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ;.*)? ?\\?$")
ADDRESS = re.compile(r"://|file:|^-|\s@\s|--index|--find-links|--extra|/(home|root|opt|usr|tmp|work)/")


def pinned(path: Path) -> set[tuple[str, str]]:
    matches = (PINNED.match(line) for line in path.read_text().splitlines())
    return {(match[1], match[2]) for match in matches if match}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_no_address(name):
    """An address in a lock would send every installation to one machine."""
    found = [line for line in (BACKEND / name).read_text().splitlines() if ADDRESS.search(line)]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "tiny @ file:///opt/x.whl",
        "--index-url https://index.example/simple",
        "-e .",
        "/".join(["    # from ", "root", "x"]),
    ],
)
def test_the_check_for_addresses_can_fail(line):
    """The control: lines that must never be in a lock are found."""
    assert ADDRESS.search(line)


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name):
    """Each pinned line is followed by at least one hash."""
    lines = (BACKEND / name).read_text().splitlines()
    without = [
        line
        for line, after in zip(lines, lines[1:], strict=False)
        if PINNED.match(line) and "--hash=" not in after
    ]

    assert pinned(BACKEND / name)
    assert without == []


def test_tests_run_on_the_versions_that_are_shipped():
    """Whatever the runtime lock pins, the test lock pins alike."""
    assert pinned(BACKEND / "requirements.txt") <= pinned(BACKEND / "requirements-test.txt")


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_every_wanted_package_is_locked(name):
    """A package added to the .in file without locking it is noticed."""
    wanted = re.findall(r"^([A-Za-z0-9._-]+)", (BACKEND / f"{name}.in").read_text(), re.MULTILINE)
    locked = {package.lower() for package, _ in pinned(BACKEND / f"{name}.txt")}

    assert {package.lower() for package in wanted if not package.startswith("-")} <= locked
