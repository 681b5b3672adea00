"""Keeps child processes alive, and ends them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.commands.errors import CommandError
from app.db.embedded_account import end_with_parent

RESTARTS_MAX = 5
RESTART_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS_MAX = 5.0
STOP_SECONDS_MAX = 15.0
LOG_BYTES_MAX = 5_000_000
LINES_SHOWN = 5
LINE_LENGTH_SHOWN = 300


@dataclass
class Child:
    """One program that should be running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    # A moment in monotonic seconds; before it a crashed child is not started again.
    start_not_before: float = 0.0
    deaths: deque[float] = field(default_factory=deque)
    stop_seconds_max: float = STOP_SECONDS_MAX

    def start(self) -> None:
        """Start the program; it ends with us even when we are killed."""
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                pass_fds=self.pass_fds,
                # Ctrl-C is for us; we then end the children one after the other.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )

    @property
    def alive(self) -> bool:
        """Whether the program runs now."""
        return self.process is not None and self.process.poll() is None

    def revive(self, now: float) -> bool:
        """Start the program again when it has died; raises CommandError when it keeps dying.

        Returns whether it was found dead. now: monotonic seconds.
        """
        if self.alive:
            return False
        if self.process is not None:
            self._count_death(now)
        if now >= self.start_not_before:
            self.start()
        return True

    def _count_death(self, now: float) -> None:
        assert self.process is not None
        status = self.process.returncode
        self.process = None
        self.deaths.append(now)
        while self.deaths and now - self.deaths[0] > RESTART_WINDOW_SECONDS:
            self.deaths.popleft()
        if len(self.deaths) > RESTARTS_MAX:
            raise CommandError(
                f"The {self.name} process keeps ending (status {status}); its last lines:\n"
                f"{self.last_lines()}\nAll of its log: {self.log_file}"
            )
        # The first death is answered at once, later ones after a growing pause.
        pause = min(RESTART_PAUSE_SECONDS_MAX, 0.5 * (len(self.deaths) - 1))
        self.start_not_before = now + pause

    def last_lines(self) -> str:
        """Return the end of the child's log."""
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return "  (nothing)"
        return "\n".join(f"  {line[:LINE_LENGTH_SHOWN]}" for line in lines[-LINES_SHOWN:]) or "  (nothing)"

    def stop(self) -> None:
        """Ask the program to end, and end it when it does not."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(self.stop_seconds_max)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stempel_child(
    name: str, *arguments: str, environment: Mapping[str, str], log_dir: Path, pass_fds: tuple[int, ...] = ()
) -> Child:
    """Return a child that runs one of our own commands with this Python."""
    command = [sys.executable, "-m", "app.cli", *arguments]
    return Child(name, command, environment, log_dir / f"{name}.log", pass_fds)


def stop_all(children: Sequence[Child]) -> None:
    """End children in the given order, all of them asked first so that their endings overlap."""
    for child in children:
        if child.alive and child.process is not None:
            child.process.terminate()
    for child in children:
        child.stop()


def monotonic() -> float:
    """Return the supervisor's time; a name of its own so that tests can count deaths without waiting."""
    return time.monotonic()
