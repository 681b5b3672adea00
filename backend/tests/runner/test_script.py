"""The script makes, repairs and renews its environment, and says in one sentence why it cannot."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.runner.helpers import (
    UNREACHABLE_INDEX,
    clean_environment,
    make_checkout,
    make_wheel,
    run,
    without_roots_power,
)

BUILD_BACKEND = """
def build_wheel(*arguments, **options):
    raise SystemExit("error: command 'gcc' failed: No such file or directory")
prepare_metadata_for_build_wheel = build_wheel
"""


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "the wheels"


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> dict[str, str]:
    return clean_environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.as_uri(), HOME=str(tmp_path / "home"))


@pytest.fixture
def script(tmp_path: Path, wheels: Path) -> Path:
    return make_checkout(tmp_path / "a check out", lock=make_wheel(wheels))


def test_makes_the_environment_once_and_runs_from_anywhere(tmp_path, script, environment):
    """The first start prepares; the second, through a symlink and from another folder, only runs."""
    first = run([str(script), "demo", "--port", "1"], env=environment, cwd=script.parent)
    link = tmp_path / "link"
    link.symlink_to(script)
    second = run([str(link), "demo"], env=environment, cwd="/")

    assert (first.returncode, first.stdout) == (0, "ran demo --port 1 1.0\n")
    assert "Preparing Stempel" in first.stderr
    assert (second.returncode, second.stdout, second.stderr) == (0, "ran demo 1.0\n", "")


def test_an_app_folder_where_the_user_stands_is_not_imported(tmp_path, script, environment):
    """Python would put the current folder first; ours must win."""
    trap = tmp_path / "elsewhere" / "app"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise SystemExit('the wrong app')")

    done = run([str(script), "demo"], env=environment, cwd=trap.parent)

    assert done.stdout == "ran demo 1.0\n"


def test_a_half_made_environment_is_made_again(script, environment):
    """Without the stamp that is written last, what is there is not believed."""
    broken = script.parent / ".venv"
    (broken / "bin").mkdir(parents=True)
    (broken / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")

    done = run([str(script), "demo"], env=environment)

    assert done.stdout == "ran demo 1.0\n"
    assert "making it again" in done.stderr


def test_a_changed_lock_renews_the_environment(script, wheels, environment):
    """A new list of packages is installed at the next start."""
    run([str(script), "demo"], env=environment)
    (script.parent / "backend" / "requirements.txt").write_text(make_wheel(wheels, version="2.0"))
    done = run([str(script), "demo"], env=environment)

    assert done.stdout == "ran demo 2.0\n"
    assert "renewing" in done.stderr


def test_a_moved_checkout_makes_its_environment_again(tmp_path, script, environment):
    """An environment knows its own path; after a move its programs point to the old place."""
    run([str(script), "demo"], env=environment)
    moved = script.parent.rename(tmp_path / "moved")
    done = run([str(moved / "stempel"), "demo"], env=environment)

    assert done.stdout == "ran demo 1.0\n"
    assert "making it again" in done.stderr


def test_a_killed_holder_does_not_block_the_next_start(script, environment):
    """The turn of a process that no longer exists is over."""
    turn = script.parent / ".venv.lock"
    turn.mkdir()
    (turn / "pid").write_text("999999999")

    done = run([str(script), "demo"], env=environment)

    assert done.stdout == "ran demo 1.0\n"
    assert not turn.exists()


def test_a_read_only_checkout_keeps_its_environment_in_the_users_folder(tmp_path, script, environment):
    """The checkout stays untouched."""
    home = Path(environment["HOME"])
    home.mkdir()
    script.parent.chmod(0o555)
    try:
        done = run([*without_roots_power(), str(script), "demo"], env=environment)
    finally:
        script.parent.chmod(0o755)

    assert done.stdout == "ran demo 1.0\n"
    assert not (script.parent / ".venv").exists()
    assert list((home / ".local" / "share" / "stempel-environments").iterdir())


def test_nowhere_to_write_is_one_sentence(tmp_path, script, environment):
    """Neither the checkout nor the user's folder can be written."""
    home = Path(environment["HOME"])
    home.mkdir(mode=0o555)
    script.parent.chmod(0o555)
    try:
        done = run([*without_roots_power(), str(script), "demo"], env=environment)
    finally:
        script.parent.chmod(0o755)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"stempel: This folder cannot be written ({script.parent}), and neither can {home}/.local/share. "
        "Set XDG_DATA_HOME to a folder that can."
    ]


def test_no_network_is_one_sentence(script, environment):
    """An index that cannot be reached is named as the cause, and no traceback is shown."""
    del environment["PIP_NO_INDEX"], environment["PIP_FIND_LINKS"]
    environment |= {"PIP_INDEX_URL": UNREACHABLE_INDEX, "PIP_RETRIES": "0"}

    done = run([str(script), "demo"], env=environment)

    assert (done.returncode, done.stdout) == (1, "")
    assert "The package index could not be reached" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_network_coming_back_is_enough(script, wheels, environment):
    """After a start without network the next one simply works."""
    without = {**environment, "PIP_INDEX_URL": UNREACHABLE_INDEX, "PIP_RETRIES": "0"}
    del without["PIP_NO_INDEX"], without["PIP_FIND_LINKS"]
    failed = run([str(script), "demo"], env=without)
    done = run([str(script), "demo"], env=environment)

    assert failed.returncode == 1
    assert done.stdout == "ran demo 1.0\n"


def test_a_missing_compiler_is_one_sentence(script, wheels, environment):
    """A package that must be compiled and cannot be says what to install."""
    wheels.mkdir(exist_ok=True)
    source = wheels / "tinything-3.0.tar.gz"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: tinything\nVersion: 3.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "build"\nbackend-path = ["."]\n',
        "build.py": BUILD_BACKEND,
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"tinything-3.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    (script.parent / "backend" / "requirements.txt").write_text(f"tinything==3.0 --hash=sha256:{digest}\n")

    done = run([str(script), "demo"], env=environment)

    assert done.returncode == 1
    assert "a package must be compiled" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_wrong_hash_is_refused(script, environment):
    """A file that is not the locked one is never installed."""
    lock = script.parent / "backend" / "requirements.txt"
    lock.write_text("tinything==1.0 --hash=sha256:" + "0" * 64 + "\n")

    done = run([str(script), "demo"], env=environment)

    assert done.returncode == 1
    assert "could not be installed" in done.stderr.splitlines()[-1]
    assert "ran" not in done.stdout


def test_an_old_python_is_one_sentence(tmp_path, script, environment):
    """Python before 3.11 is named with its version."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dirname", "readlink", "cksum", "tr", "cat", "mkdir", "rm", "sleep", "date"):
        real = next(
            Path(folder) / name for folder in ("/usr/bin", "/bin") if os.path.exists(f"{folder}/{name}")
        )
        (programs / name).symlink_to(real)
    old = programs / "python3"
    old.write_text('#!/bin/sh\ncase "$2" in *"print("*) echo 3.9 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    del environment["STEMPEL_PYTHON"]

    done = run(["/bin/sh", str(script), "demo"], env={**environment, "PATH": str(programs)})

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "stempel: Python 3.11 or newer is needed; this machine has 3.9."
    )


def test_help_needs_no_environment(script, environment):
    """What the script can do is told before anything is installed."""
    done = run([str(script)], env=environment)

    assert done.returncode == 0
    assert "./stempel demo" in done.stdout
    assert not (script.parent / ".venv").exists()
