"""Ordinary users of the machine, made for a test and taken away after it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from tests.runner.helpers import run

NAME_LENGTH_MAX = 32  # of useradd


@contextlib.contextmanager
def ordinary_user() -> Iterator[pwd.struct_passwd]:
    """A fresh ordinary user with a home, named for this run: what a killed run left is in nobody's way."""
    name = f"stempel-{uuid4().hex[:16]}"
    assert len(name) <= NAME_LENGTH_MAX
    try:
        made = run(["useradd", "--create-home", "--shell", "/bin/sh", name])
        assert made.returncode == 0, made.stderr
        yield pwd.getpwnam(name)
    finally:
        remove_user(name)


def remove_user(name: str) -> None:
    """Take the user away with everything of its own: what still runs, the home, the mails; none is left."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if process.stat().st_uid == found.pw_uid:
                os.kill(int(process.name), signal.SIGKILL)
    # Ours, not userdel's: two environments of many files take their time, and a command has a limit. useradd makes
    # the home last: a user that was made halfway has none.
    shutil.rmtree(found.pw_dir, ignore_errors=True)
    removed = run(["userdel", "--force", "--remove", name])
    assert name not in {one.pw_name for one in pwd.getpwall()}, removed.stderr
    assert not Path(found.pw_dir).exists(), removed.stderr


def as_user(user: pwd.struct_passwd, *command: str) -> list[str]:
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
