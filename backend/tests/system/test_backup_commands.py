"""`backup` and `restore` as an operator types them: from one embedded machine to another, with a key pair."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.database import migrate, open_database
from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from tests.runner.helpers import BACKEND, clean_environment, run

pytestmark = pytest.mark.system

COMMAND_SECONDS_MAX = 500


def stempel(*arguments: str | Path, **settings: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    environment = {f"STEMPEL_{name.upper()}": str(value) for name, value in settings.items()}
    return run(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        timeout=COMMAND_SECONDS_MAX,
        env=clean_environment(PYTHONPATH=str(BACKEND), PYTHONSAFEPATH="1", COLUMNS="400", **environment),
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a machine with one business on it."""
    folder = tmp_path_factory.mktemp("machine") / "data"
    with EmbeddedPostgres(folder):
        with open_database(Settings(data_dir=folder)) as ready:
            migrate(ready)
    made = run(
        [
            sys.executable,
            "-m",
            "app.cli",
            "create-merchant",
            "--name",
            "CoffeeLux",
            "--email",
            "owner@example.com",
        ],
        timeout=COMMAND_SECONDS_MAX,
        env=clean_environment(PYTHONPATH=str(BACKEND), STEMPEL_DATA_DIR=str(folder)),
        input="plum-orchard-tandem-42\n",
    )
    assert made.returncode == 0, made.stderr
    return folder


def test_a_machine_moves_to_another_by_one_file_and_one_key(machine: Path, tmp_path: Path) -> None:
    """Key pair, backup, verification with the secret key only, restore into a new folder, check."""
    key, target = tmp_path / "secret.key", tmp_path / "new"
    paired = stempel("backup", "--new-key", key)
    public = next(
        part for line in paired.stdout.split() for part in [line.partition("=")[2]] if "public" in part
    )
    written = stempel("backup", data_dir=machine, backup_recipient=public)
    file = next((machine / "backups").glob("*.stempel-backup"))
    closed = stempel("backup", "--verify", file, backup_recipient=public)
    verified = stempel("backup", "--verify", file, "--key", key)
    restored = stempel("restore", file, "--key", key, "--data-dir", target)
    again = stempel("restore", file, "--key", key, "--data-dir", target)
    checked = stempel("check", data_dir=target)

    assert [one.returncode for one in (paired, written, verified, restored, checked)] == [0, 0, 0, 0, 0], (
        restored.stderr
    )
    assert key.stat().st_mode & 0o777 == 0o600
    assert "read back and whole" in written.stdout
    assert "is whole" in verified.stdout
    assert "1 merchants" in checked.stdout
    assert (closed.returncode, again.returncode) == (1, 1)
    assert "backup_wrong_key: " in closed.stderr + closed.stdout
    assert "restore_not_empty: " in again.stderr + again.stdout


def test_a_file_that_was_cut_on_its_way_touches_nothing(machine: Path, tmp_path: Path) -> None:
    """A file without its end, with the right passphrase: one sentence with its code, and no folder is made."""
    passphrase = "orchard tandem plum river"  # noqa: S105 (a test's)
    assert stempel("backup", "--to", tmp_path, data_dir=machine, backup_passphrase=passphrase).returncode == 0
    file = next(tmp_path.glob("*.stempel-backup"))
    file.write_bytes(file.read_bytes()[:-100])
    cut = stempel("restore", file, "--data-dir", tmp_path / "new", backup_passphrase=passphrase)
    wrong = stempel("backup", "--verify", file, backup_passphrase=passphrase + "s")

    assert "backup_cut_short: " in cut.stderr + cut.stdout
    assert "backup_wrong_key: " in wrong.stderr + wrong.stdout
    assert not (tmp_path / "new").exists()
