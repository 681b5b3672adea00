"""Files and folders of the embedded database: private ones, locks, and the socket's folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import IO

from app.db.embedded_binaries import EmbeddedPostgresError

# struct sockaddr_un has 108 bytes with the closing zero; PostgreSQL adds "/.s.PGSQL.5432".
SOCKET_FOLDER_BYTES_MAX = 107 - len("/.s.PGSQL.5432")
PREVIOUS_SERVER_SECONDS_MAX = 15.0
LOCK_QUESTION_SECONDS_MAX = 0.3
POLL_SECONDS = 0.01


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, for its owner only; an existing one is left as it is."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The data folder {data_dir} cannot be made ({error.strerror}). Choose another with --data-dir."
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise EmbeddedPostgresError(
            f"The data folder {data_dir} cannot be written. Choose another with --data-dir."
        )


def open_private(path: Path, flags: int) -> int:
    """Open a file, made for the owner of its folder alone when it is new."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        # Root may look after another user's data folder; that user must get in again afterwards.
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a small file for the owner alone, replacing an earlier one."""
    path.unlink(missing_ok=True)
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(text)


def lock_supervisor(data_dir: Path) -> IO[str]:
    """Take the lock that says who runs on this folder, or say who does."""
    lock = _open_lock(data_dir / "stempel.lock")
    # A command that only asks who runs (is_supervised) holds the lock for an instant.
    if not _locked_within(lock, LOCK_QUESTION_SECONDS_MAX):
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise EmbeddedPostgresError(
            f"Stempel is already running on {data_dir} (process {holder}). Stop it first, "
            "or choose another folder with --data-dir."
        )
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def is_supervised(data_dir: Path) -> bool:
    """Return whether a living process holds this folder."""
    try:
        with open(data_dir / "stempel.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def lock_server(data_dir: Path) -> IO[str]:
    """Take the lock the server inherits, waiting for an earlier server to end.

    It stays held while any process of the server lives; after a kill -9 of the supervisor that is
    a moment longer than the supervisor itself.
    """
    lock = _open_lock(data_dir / "postgres.lock")
    if not _locked_within(lock, PREVIOUS_SERVER_SECONDS_MAX):
        lock.close()
        raise EmbeddedPostgresError(
            f"A PostgreSQL left over from an earlier start still uses {data_dir}. End it first."
        )
    return lock


def _locked_within(lock: IO[str], seconds: float) -> bool:
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                return False
            time.sleep(POLL_SECONDS)


def _open_lock(path: Path) -> IO[str]:
    try:
        return os.fdopen(open_private(path, os.O_RDWR), "r+")
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{path} cannot be opened ({error.strerror}). The data folder may belong to another user; "
            "choose another with --data-dir."
        ) from error


def short_private_folder(data_dir: Path) -> Path:
    """Make the folder for the socket where its path is short, verified to be ours alone."""
    mark = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp"):
        path = Path(base) / f"stempel-{os.getuid()}-{mark}"
        if not base or len(os.fsencode(path)) > SOCKET_FOLDER_BYTES_MAX:
            continue
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
        except OSError:
            continue
        # Anyone may have made this name in /tmp before us.
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            return path
    return Path(tempfile.mkdtemp(prefix="stempel-", dir="/tmp"))
