"""Processes that have the program loaded already: a start costs a fork, a kill costs nothing but the work.

What runs in them is what `./stempel serve` and `./stempel worker` run, with signals, sockets and connections of
its own; only Python's imports were done before, by the parent. It ends with whoever started it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.db.embedded_account import end_with_parent

BACKEND = Path(__file__).resolve().parents[2]
LOADING_SECONDS_MAX = 180.0
FORK_SECONDS_MAX = 30.0
DEATH_SECONDS_MAX = 20.0


@dataclass
class Forked:
    """One process of ours."""

    name: str
    pid: int
    began: float

    @property
    def alive(self) -> bool:
        """Whether it lives; the parent takes the dead away at once."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_until_dead(self, seconds: float) -> None:
        """Wait until it has ended by itself, or by somebody else's hand."""
        give_up_at = time.monotonic() + seconds
        while self.alive:
            assert time.monotonic() < give_up_at, f"{self.name} still lives after {seconds:.0f} s"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a word, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, as a supervisor does."""
        self._end(signal.SIGTERM)

    def starve(self) -> None:
        """Give it no processor time: its connections stay open, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def feed(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        give_up_at = time.monotonic() + DEATH_SECONDS_MAX
        while self.alive:
            assert time.monotonic() < give_up_at, f"{self.name} ({self.pid}) does not end by {number.name}"
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            time.sleep(0.01)


class Forks:
    """The parent of web, worker and stand-ins. environment: for all; a start may add to it."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, *, pass_fds: tuple[int, ...] = ()
    ) -> None:
        self.folder = folder
        self.log_file = folder / "forks.log"
        with self.log_file.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forks", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**environment, "PYTHONPATH": str(BACKEND), "PYTHONSAFEPATH": "1"},
                cwd=BACKEND,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGKILL),
            )
        # What became known after the parent's start: where the database is.
        self.environment: dict[str, str] = {}
        self._children: list[Forked] = []
        self._is_loaded = False

    def start(self, name: str, *arguments: str, log: str = "", **environment: str) -> Forked:
        """Fork a process. name: web, worker, careless-worker, google, smtp, apns, redis; its log lies in the folder."""
        if not self._is_loaded:
            assert self._read_line(LOADING_SECONDS_MAX) == "loaded", self.last_lines("forks")
            self._is_loaded = True
        order = {
            "name": name,
            "log": log or name,
            "arguments": arguments,
            "environment": self.environment | environment,
        }
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(order).encode() + b"\n")
        self._parent.stdin.flush()
        forked = Forked(log or name, int(self._read_line(FORK_SECONDS_MAX)), time.monotonic())
        self._children.append(forked)
        return forked

    def _read_line(self, seconds: float) -> str:
        assert self._parent.stdout is not None
        ready, _, _ = select.select([self._parent.stdout], [], [], seconds)
        assert ready, f"the parent said nothing for {seconds:.0f} s:\n{self.last_lines('forks')}"
        return self._parent.stdout.readline().decode().strip()

    def last_lines(self, log: str, lines: int = 12) -> str:
        """Return the end of a process's log."""
        path = self.folder / f"{log}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def close(self) -> None:
        """End all of them, and the parent."""
        for child in self._children:
            child.kill()
        self._parent.kill()
        self._parent.wait(DEATH_SECONDS_MAX)
        for pipe in (self._parent.stdin, self._parent.stdout):
            if pipe is not None:
                pipe.close()


def parent(folder: Path) -> None:
    """Load the program, then fork what is asked for, line by line."""
    _load()
    # The kernel takes the dead away; nobody waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("loaded", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order, folder)
        print(pid, flush=True)


def _load() -> None:
    from app.commands import serve  # noqa: F401, PLC0415
    from app.config import Settings  # noqa: PLC0415
    from app.kernel.jobs import runner  # noqa: F401, PLC0415
    from app.main import create_app  # noqa: PLC0415
    from tests.faults import outside  # noqa: F401, PLC0415

    # Imports every router, opens no connection.
    create_app(Settings(database_url="postgresql://nobody@127.0.0.1:9/none"))


def _become(order: dict[str, object], folder: Path) -> None:
    """Be the process that was asked for, and never return."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(folder / f"{order['log']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        _die_with_parent()
        os.environ.update(order["environment"])  # type: ignore[arg-type]
        _run(str(order["name"]), [str(one) for one in order["arguments"]])  # type: ignore[attr-defined]
        status = 0
    except BaseException:
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _die_with_parent() -> None:
    import ctypes  # noqa: PLC0415

    ctypes.CDLL(None, use_errno=True).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG


def _run(name: str, arguments: list[str]) -> None:
    from app.commands.serve import serve, work  # noqa: PLC0415
    from app.config import Settings  # noqa: PLC0415
    from tests.faults.outside import STAND_INS  # noqa: PLC0415

    if name == "web":
        serve(Settings(), listen_fd=int(arguments[0]))
    elif name == "worker":
        work(Settings())
    elif name == "careless-worker":
        take_shares_away()
        work(Settings())
    else:
        STAND_INS[name](Path(arguments[0]), int(arguments[1]))


def take_shares_away() -> None:
    """Have this process give its places to whoever comes first, as a control."""
    from app.kernel.jobs import places  # noqa: PLC0415

    for name in ("PROMPT_PLACES", "WAITING_PLACES", "LONG_PLACES", "LONG_PLACES_OF_A_MERCHANT"):
        setattr(places, name, places.PLACES)


if __name__ == "__main__":
    parent(Path(sys.argv[1]))
