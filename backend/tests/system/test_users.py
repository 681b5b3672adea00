"""The two commands for other users than root, and root where namespaces are forbidden."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.helpers import BACKEND, ROOT, clean_environment, run
from tests.system.users import as_user

pytestmark = pytest.mark.system

INSTALL_AND_START_SECONDS_MAX = 240.0
LEFT_OUT = shutil.ignore_patterns(".venv", ".venv.lock", ".git", "__pycache__", ".*_cache", "node_modules")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="stempel-users-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def environment_of(user: pwd.struct_passwd) -> dict[str, str]:
    """Return the user's own environment; the machine's package index stays the one in use."""
    index = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_INDEX"))
    }
    return {"HOME": user.pw_dir, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **index}


def start_demo(user: pwd.struct_passwd, checkout: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        as_user(user, str(checkout / "stempel"), "demo", "--empty"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=user.pw_dir,
        env=environment_of(user),
        start_new_session=True,
    )


def demo_answers(data: Path, process: subprocess.Popen[str]) -> bool:
    give_up_at = time.monotonic() + INSTALL_AND_START_SECONDS_MAX
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            base = json.loads((data / "demo.json").read_text())["base_url"]
        except OSError:
            time.sleep(0.2)
            continue
        connection = http.client.HTTPConnection("127.0.0.1", int(base.rpartition(":")[2]), timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz", headers={"Host": base.removeprefix("http://")})
            return connection.getresponse().status == 200
    return False


@pytest.mark.parametrize("owner", ["user", "root"])
def test_an_ordinary_user_runs_the_demo(user, place, owner):
    """In the user's own checkout, and in one of root's that the user can only read."""
    checkout = Path(shutil.copytree(ROOT, place / "the checkout", ignore=LEFT_OUT))
    if owner == "user":
        run(["chown", "-R", f"{user.pw_name}:", str(checkout)])
    data = Path(user.pw_dir) / ".local" / "share" / "stempel"
    shutil.rmtree(data, ignore_errors=True)
    process = start_demo(user, checkout)
    answered = demo_answers(data, process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert answered, output
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert data.stat().st_uid == user.pw_uid
    assert (checkout / ".venv").exists() is (owner == "user")


def start_embedded(
    folder: Path, *, before: list[str] | None = None, path: str = ""
) -> subprocess.CompletedProcess[str]:
    program = str(BACKEND / "tests" / "runner" / "embedded_program.py")
    environment = clean_environment(PYTHONPATH=str(BACKEND))
    return run(
        [*(before or []), sys.executable, program, str(folder), "once"],
        env={**environment, **({"PATH": path} if path else {})},
    )


def test_root_without_namespaces_gives_the_database_to_another_account(tmp_path):
    """Only the database's folder changes its owner; the folders above stay closed."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("setpriv", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    folder = tmp_path / "data"
    modes = [parent.stat().st_mode for parent in tmp_path.parents]
    first = start_embedded(folder, path=str(programs))
    owner = (folder / "postgres").stat().st_uid
    # Namespaces are allowed again: the folder stays with the account that owns it.
    second = start_embedded(folder)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert owner != 0
    assert (folder / "postgres").stat().st_uid == owner
    assert (folder / "postgres.password").stat().st_uid == 0
    assert [parent.stat().st_mode for parent in tmp_path.parents] == modes


def test_root_in_a_users_folder_leaves_it_to_the_user(user, place):
    """Root looks after a user's database; its files are still the user's."""
    folder = place / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    first = start_embedded(folder)
    again = start_embedded(folder)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert {path.stat().st_uid for path in folder.rglob("*")} == {user.pw_uid}


def test_another_users_folder_is_one_sentence(user, place):
    """A data folder that belongs to root is not the user's to start."""
    checkout = Path(shutil.copytree(ROOT, place / "checkout", ignore=LEFT_OUT))
    folder = place / "data"
    folder.mkdir(mode=0o755)
    done = run(
        as_user(user, str(checkout / "stempel"), "demo", "--empty", "--data-dir", str(folder)),
        env=environment_of(user),
        cwd="/",
        timeout=INSTALL_AND_START_SECONDS_MAX,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"stempel: The data folder {folder} cannot be written. Choose another with --data-dir."
    )
