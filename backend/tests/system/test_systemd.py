"""The units that are shipped: systemd understands every line, and what they leave open is little."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.runner.helpers import ROOT, run

pytestmark = pytest.mark.system

SHIPPED = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in SHIPPED.glob("*.service"))
UNITS = sorted(path.name for path in SHIPPED.iterdir() if path.suffix != ".env")
# systemd's own measure: 10 is a service without any protection, below 2 it says "OK".
EXPOSURE_MAX = 1.5
COMMAND = "/opt/stempel/current/stempel"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copy the units, with a program that exists on this machine in place of the installed one."""
    program = tmp_path / "stempel"
    shutil.copy(ROOT / "stempel", program)
    for name in UNITS:
        text = (SHIPPED / name).read_text()
        (tmp_path / name).write_text(text.replace(COMMAND, str(program)))
    return tmp_path


def verify(folder: Path) -> str:
    """Return what systemd has against the units; nothing when it understands every line."""
    done = run(["systemd-analyze", "--man=no", "verify", *[str(folder / name) for name in UNITS]])
    # Of the machine's own units it may say anything.
    return "\n".join(line for line in done.stderr.splitlines() if "stempel" in line)


def test_systemd_understands_every_line(units: Path) -> None:
    """No unknown key, no unknown section, every program there."""
    assert UNITS == [
        "stempel-backup.service",
        "stempel-backup.timer",
        "stempel-migrate.service",
        "stempel-web.service",
        "stempel-web.socket",
        "stempel-worker@.service",
    ]
    assert verify(units) == ""


@pytest.mark.parametrize(
    ("line", "planted"),
    [
        ("NoNewPrivileges=yes", "NoNewPrivilegs=yes"),
        ("Type=notify", "Type=notfy"),
        (" serve\n", "-gone serve\n"),
    ],
)
def test_the_verification_finds_a_planted_fault(units: Path, line: str, planted: str) -> None:
    """The control: a misspelt key, an unknown value and a missing program are named."""
    web = units / "stempel-web.service"
    assert line in web.read_text()
    web.write_text(web.read_text().replace(line, planted))

    assert "stempel-web.service" in verify(units)


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_left_open(units: Path, name: str) -> None:
    """systemd's own audit of each service, without starting it."""
    done = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(units / name)])
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)

    assert found is not None, done.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX


@pytest.mark.parametrize("name", SERVICES)
def test_only_who_needs_it_gets_the_owners_login(name: str) -> None:
    """Web and worker cannot change the schema, whatever is done to them."""
    has_it = "database_admin_url" in (SHIPPED / name).read_text()

    assert has_it == (name in {"stempel-migrate.service", "stempel-backup.service"})
