"""Whom PostgreSQL runs as, and how it ends when its parent is killed.

PostgreSQL refuses to run as root. Root therefore starts it in a user namespace of its own, where
root's files look like an ordinary user's; where the machine forbids that (many containers do),
under another account, which then owns the database's folder.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.db.embedded_binaries import EmbeddedPostgresError

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PROBE_SECONDS = 10
# Loaded here, not in the child: between fork and exec nothing should be looked up.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """How to start a program so that PostgreSQL accepts its user."""

    prefix: tuple[str, ...] = ()
    # New files and folders are given to this user and group; None: they are already right.
    owner: tuple[int, int] | None = None

    def give(self, path: Path) -> None:
        """Hand a file or folder, with all in it, to the account."""
        if self.owner is None:
            return
        uid, gid = self.owner
        os.chown(path, uid, gid)
        for folder, folders, files in os.walk(path):
            for name in [*folders, *files]:
                os.chown(os.path.join(folder, name), uid, gid, follow_symlinks=False)


def end_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before exec so that it gets this signal when its parent dies.

    The kernel ties the signal to the parent's *thread*: start the child from the main thread.
    """
    if _LIBC is None:
        return None
    libc = _LIBC
    parent = os.getpid()

    def prepare_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the line above

    return prepare_child


def choose_account(cluster: Path, *, program: str) -> Account:
    """Decide whom to run as; cluster is the database's folder, which may not exist yet."""
    # A new database belongs to whom the data folder belongs, also when root starts it there.
    owner = (cluster if cluster.exists() else cluster.parent).stat().st_uid
    if os.geteuid() != 0:
        if cluster.exists() and owner != os.geteuid():
            raise EmbeddedPostgresError(
                f"The data folder {cluster.parent} belongs to another user. Start as that user, or choose "
                "another folder with --data-dir."
            )
        return Account()
    if owner == 0:
        namespace = _namespace_account()
        if namespace is not None:
            return namespace
    return _other_account(cluster, owner or None, program=program)


def _passwd_entry(names: tuple[str, ...]) -> pwd.struct_passwd | None:
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _namespace_account() -> Account | None:
    # initdb asks for the user's name, so the number must be one the machine has a name for.
    entry = _passwd_entry(("postgres", "daemon", "nobody"))
    if entry is None or shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return None
    unshare = ("unshare", "--user", f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}")
    if not _works([*unshare, "true"]):
        return None
    # Entering the namespace clears the death signal set before it; setpriv sets it again.
    return Account(prefix=(*unshare, "setpriv", "--pdeathsig", "INT"))


def _other_account(cluster: Path, owner: int | None, *, program: str) -> Account:
    entry = _passwd_entry(("postgres", "nobody", "daemon"))
    if owner is not None:
        entry = pwd.getpwuid(owner)
    if entry is None or shutil.which("setpriv") is None:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and this machine has no way to start it as someone else. "
            "Start Stempel as an ordinary user, or set STEMPEL_DATABASE_URL."
        )
    change: tuple[str, ...] = (
        "setpriv",
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
    )
    change = (*change, "--pdeathsig", "INT")
    # Only our own folder is made passable, and it cannot be listed; nothing above it is touched.
    cluster.parent.chmod(0o711)
    reach = ["sh", "-c", 'test -x "$1" && cd "$2"', "sh", program, str(cluster.parent)]
    # A folder above may be closed to others (root's home is). The right to pass through is then
    # given to PostgreSQL alone, instead of opening the folder to everyone.
    for right in ("", "dac_read_search", "dac_override"):
        rights = (f"--inh-caps=+{right}", f"--ambient-caps=+{right}") if right else ()
        if _works([*change, *rights, *reach]):
            return Account(prefix=(*change, *rights), owner=(entry.pw_uid, entry.pw_gid))
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and the user {entry.pw_name} cannot reach {cluster.parent} or the "
        "programs. Start Stempel as an ordinary user, or choose a folder others may enter with --data-dir."
    )


def _works(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
