"""A PostgreSQL of our own: made on first use, run as a child process, reached by a private socket.

The programs come from a wheel; its own Python wrapper is not used, because as root it makes an OS
user, opens every parent folder, and can hand out a dead server (docs/dependencies.md).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from app.db.embedded_account import Account, choose_account, end_with_parent
from app.db.embedded_binaries import EmbeddedPostgresError, PostgresBinaries, find_binaries
from app.db.embedded_files import (
    SOCKET_FOLDER_BYTES_MAX,
    is_supervised,
    lock_server,
    lock_supervisor,
    make_data_dir,
    open_private,
    short_private_folder,
    write_private,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "async_url", "find_running_url"]

ADMIN_ROLE = "stempel_admin"
DATABASE = "stempel"
PASSWORD_FILE = "postgres.password"
SOCKET_NOTE = "postgres.socket"  # where the socket is, while the server runs
START_SECONDS_MAX = 120.0  # recovery after a power cut reads the whole log again
STOP_SECONDS_MAX = 30.0
BETWEEN_SERVERS_SECONDS_MAX = 10.0
POLL_SECONDS = 0.01
LOG_BYTES_MAX = 5_000_000

# Error messages leave out the DETAIL, the statement and its values: those hold personal data.
DEFAULT_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "logging_collector": "off",
}


def async_url(url: str) -> str:
    """Return a plain postgresql:// address in the form SQLAlchemy wants for asyncpg."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def find_running_url(data_dir: Path) -> str | None:
    """Return the owner's address of a server another process runs on this folder, or None."""
    give_up_at = time.monotonic() + BETWEEN_SERVERS_SECONDS_MAX
    # After a kill -9 the note is still there; the lock tells whether anyone lives. Where someone
    # lives and the note is missing, the server is just being started, for the first time or again.
    while is_supervised(data_dir):
        try:
            socket_dir = (data_dir / SOCKET_NOTE).read_text()
            return _address(socket_dir, ADMIN_ROLE, (data_dir / PASSWORD_FILE).read_text().strip())
        except OSError:
            if time.monotonic() > give_up_at:
                return None
            time.sleep(POLL_SECONDS)
    return None


class EmbeddedPostgres:
    """One database server in one data folder, alive between start() and stop()."""

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "postgres"
        self.log_file = self.data_dir / "postgres.log"
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._locks: list[IO[str]] = []
        self._socket_dir: Path | None = None
        self._password = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def admin_url(self) -> str:
        """The owner's login; for migrations and for making the two runtime roles."""
        return self.url(ADMIN_ROLE, self._password)

    @property
    def pid(self) -> int | None:
        """The server's process id while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """Return the address for any role and database of this server."""
        assert self._socket_dir is not None, "the server has not been started"
        return _address(str(self._socket_dir), role, password, database)

    def start(self) -> None:
        """Make the database when there is none, and start it.

        Raises EmbeddedPostgresError with a sentence when that is impossible.
        """
        assert self._process is None, "already started"
        assert threading.current_thread() is threading.main_thread(), "the death signal follows the thread"
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @contextmanager
    def holding_folder(self) -> Iterator[None]:
        """Keep everybody else off the folder while the server is down.

        Raises EmbeddedPostgresError when somebody is on it.
        """
        assert self._process is None, "the server runs"
        make_data_dir(self.data_dir)
        with lock_supervisor(self.data_dir), lock_server(self.data_dir):
            yield

    def stop(self) -> None:
        """End the server: sessions are cut, data is written; harmless when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            for ending in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if process.poll() is None:
                    process.send_signal(ending)
                try:
                    process.wait(STOP_SECONDS_MAX)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self._socket_dir is not None and self._socket_dir.parent != self.data_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._socket_dir is not None:
            (self.data_dir / SOCKET_NOTE).unlink(missing_ok=True)
        self._socket_dir = None
        while self._locks:
            self._locks.pop().close()

    def _start(self) -> None:
        make_data_dir(self.data_dir)
        self._locks.append(lock_supervisor(self.data_dir))
        server_lock = lock_server(self.data_dir)
        self._locks.append(server_lock)
        binaries = find_binaries(self._cluster_version())
        account = choose_account(self.cluster, program=binaries.program("postgres"))
        self._password = self._read_or_make_password()
        if not self.cluster.exists():
            self._initialise(binaries, account)
        account.give(self.cluster)
        self._forget_dead_server()
        self._socket_dir = self._make_socket_dir(account)
        self._run_server(binaries, account, server_lock)
        self._wait_until_ready()
        self._create_database(binaries)
        write_private(self.data_dir / SOCKET_NOTE, str(self._socket_dir))

    def _cluster_version(self) -> int | None:
        if not self.cluster.exists():
            return None
        try:
            return int((self.cluster / "PG_VERSION").read_text().strip())
        except PermissionError:
            return None  # another user's folder: choose_account has the sentence for that
        except (OSError, ValueError) as error:
            raise EmbeddedPostgresError(
                f"{self.cluster} is not a PostgreSQL data folder. Move it away, "
                "or choose another with --data-dir."
            ) from error

    def _read_or_make_password(self) -> str:
        path = self.data_dir / PASSWORD_FILE
        if self.cluster.exists():
            try:
                return path.read_text().strip()
            except OSError as error:
                raise EmbeddedPostgresError(
                    f"The database in {self.data_dir} is there, but its password file {path.name} "
                    "is not readable."
                ) from error
        password = secrets.token_urlsafe(24)
        write_private(path, password)
        return password

    def _initialise(self, binaries: PostgresBinaries, account: Account) -> None:
        # Made under another name and renamed when whole: a first start that was cut off leaves no
        # half database behind that a second start would believe in.
        fresh = self.data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account.give(fresh)
        password_file = self.data_dir / "postgres.password.initdb"
        write_private(password_file, self._password)
        account.give(password_file)
        # The builtin locale sorts the same on every machine and survives an upgrade of the C library.
        builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        locale = builtin if binaries.major >= 17 else ()
        sync = ("--no-sync",) if self.settings.get("fsync") == "off" else ()
        command = [
            *account.prefix,
            binaries.program("initdb"),
            f"--pgdata={fresh}",
            f"--username={ADMIN_ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            *locale,
            *sync,
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=_environment(), cwd=self.data_dir
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedPostgresError(f"The database could not be made: {_last_line(done.stderr)}")
        fresh.rename(self.cluster)

    def _forget_dead_server(self) -> None:
        # Both locks are ours, so no server of ours lives. PostgreSQL would still believe the file
        # when its number now belongs to another process, which is usual in containers.
        pid_file = self.cluster / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            pid_file.unlink(missing_ok=True)
            return
        if _is_server_of(pid, self.cluster):
            raise EmbeddedPostgresError(
                f"Another PostgreSQL (process {pid}) already uses {self.cluster}. End it first."
            )
        pid_file.unlink(missing_ok=True)

    def _make_socket_dir(self, account: Account) -> Path:
        path = self.data_dir / "socket"
        # libpq takes a comma in the host for a list of hosts.
        if len(os.fsencode(path)) > SOCKET_FOLDER_BYTES_MAX or "," in str(path):
            path = short_private_folder(self.data_dir)
        else:
            path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        account.give(path)
        return path

    def _run_server(self, binaries: PostgresBinaries, account: Account, server_lock: IO[str]) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        settings = {**self.settings, "unix_socket_directories": _quoted_list_item(str(self._socket_dir))}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with os.fdopen(open_private(self.log_file, os.O_WRONLY | os.O_APPEND), "ab") as log:
            self._process = subprocess.Popen(
                [*account.prefix, binaries.program("postgres"), "-D", str(self.cluster), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd=self.data_dir,
                pass_fds=(server_lock.fileno(),),
                # Ctrl-C reaches every process of the terminal's group; the database must outlive
                # the web process and is ended by us.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGINT),
            )

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        give_up_at = time.monotonic() + START_SECONDS_MAX
        pid_file = self.cluster / "postmaster.pid"
        while time.monotonic() < give_up_at:
            if process.poll() is not None:
                raise EmbeddedPostgresError(f"The database did not start: {self._last_log_line()}")
            try:
                lines = pid_file.read_text().splitlines()
            except OSError:
                lines = []
            # The eighth line is the state, as pg_ctl reads it.
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
            time.sleep(POLL_SECONDS)
        raise EmbeddedPostgresError(
            f"The database was not ready after {START_SECONDS_MAX:.0f} s: {self.log_file}"
        )

    def _create_database(self, binaries: PostgresBinaries) -> None:
        marker = self.data_dir / "postgres.created"
        identity = str(self.cluster.stat().st_ino)
        if marker.exists() and marker.read_text() == identity:
            return
        done = subprocess.run(
            [
                binaries.program("createdb"),
                "--host",
                str(self._socket_dir),
                "--username",
                ADMIN_ROLE,
                DATABASE,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**_environment(), "PGPASSWORD": self._password, "PGDATABASE": "postgres"},
        )
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise EmbeddedPostgresError(f"The database could not be made: {_last_line(done.stderr)}")
        write_private(marker, identity)

    def _last_log_line(self) -> str:
        try:
            return _last_line(self.log_file.read_text(errors="replace"))
        except OSError:
            return "it left no log"


def _address(socket_dir: str, role: str, password: str, database: str = DATABASE) -> str:
    host = quote(socket_dir, safe="")
    return f"postgresql://{quote(role)}:{quote(password, safe='')}@/{quote(database)}?host={host}"


def _environment() -> dict[str, str]:
    # PG* variables of the operator's shell would point the programs elsewhere.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _quoted_list_item(path: str) -> str:
    # The setting is a list; quoting keeps commas and spaces of a path inside one item.
    return '"' + path.replace('"', '""') + '"'


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def _is_server_of(pid: int, cluster: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        working_dir = Path(f"/proc/{pid}/cwd").resolve(strict=True)
    except OSError:
        return False
    return working_dir == cluster.resolve() and b"postgres" in os.path.basename(command[0])
