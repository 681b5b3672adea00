"""The parent of the web processes: holds the listening socket, replaces them one by one, and ends them in order.

SIGHUP starts new processes from what is installed now and ends the old ones afterwards: callers wait at the socket,
which is never closed. A new process that does not start leaves the old ones as they are. The parent itself knows
little, so that it seldom has to be replaced.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.commands.errors import CommandError
from app.commands.network import inherited_socket, listen
from app.commands.supervisor import RESTART_PAUSE_SECONDS_MAX, RESTART_WINDOW_SECONDS, RESTARTS_MAX
from app.config import Settings
from app.db.embedded_account import end_with_parent

READY_SECONDS_MAX = 90.0
WATCH_SECONDS = 0.5
# Set by ./stempel to its own path, unresolved: behind a link to the newest release, new processes are of that.
COMMAND_VARIABLE = "STEMPEL_COMMAND"
# What uvicorn gives requests under way, and the application for closing its connections.
LAST_WORDS_SECONDS = 15.0


@dataclass
class WebProcess:
    """One process that serves callers."""

    process: subprocess.Popen[bytes]
    # Becomes readable when the process is ready (one byte) or has ended (nothing).
    ready_fd: int

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to a process that may have ended meanwhile."""
        if self.alive:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for its end; beyond the time it is killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LAST_WORDS_SECONDS)
        finally:
            self._close()

    def _close(self) -> None:
        if self.ready_fd >= 0:
            os.close(self.ready_fd)
            self.ready_fd = -1


class Signals:
    """Signals as they arrive; a wait for something else ends with them."""

    def __init__(self) -> None:
        self._asked: deque[int] = deque()
        self._woken: socket.socket | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Note SIGTERM, SIGINT and SIGHUP instead of ending by them."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, lambda got, _frame: self.note(got)) for number in wanted}
        # A byte for each signal: one that comes just before a wait ends the wait as well.
        self._woken, waker = socket.socketpair()
        waker.settimeout(0)
        wakeup = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            waker.close()
            self._woken.close()
            self._woken = None

    def note(self, number: int) -> None:
        """Remember a signal until it is taken."""
        if number not in self._asked:
            self._asked.append(number)

    def take(self, number: signal.Signals) -> bool:
        """Return whether this signal came, and forget it."""
        if number not in self._asked:
            return False
        self._asked.remove(number)
        return True

    @property
    def hurry(self) -> bool:
        """Whether somebody waits at a keyboard."""
        return signal.SIGINT in self._asked

    @property
    def end(self) -> bool:
        """Whether we are asked to end."""
        return self.hurry or signal.SIGTERM in self._asked

    def wait(self, seconds: float, *, fd: int | None = None) -> bool:
        """Wait for a signal, the time, or fd to be readable; return whether fd is."""
        woken = -1 if self._woken is None else self._woken.fileno()
        wanted = [one for one in (woken, fd) if one is not None and one >= 0]
        readable, _, _ = select.select(wanted, [], [], seconds)
        if self._woken is not None and woken in readable:
            self._woken.recv(100)
        return fd is not None and fd in readable


def web_command(listen_fd: int, ready_fd: int) -> list[str]:
    """Return the command of one web process."""
    own = os.environ.get(COMMAND_VARIABLE)
    start = [own] if own else [sys.executable, "-m", "app.cli"]
    return [*start, "serve", "--listen-fd", str(listen_fd), "--ready-fd", str(ready_fd)]


@dataclass
class Rolling:
    """The web processes of one socket."""

    listening: socket.socket
    count: int
    # Seconds in which idle connections may be closed by their owners.
    drain_seconds: float
    # Whether nobody listens when we have gone: then balancers are told before callers are turned away.
    announces: bool
    command: Callable[[int, int], Sequence[str]] = web_command
    ready_seconds: float = READY_SECONDS_MAX
    running: list[WebProcess] = field(default_factory=list)
    signals: Signals = field(default_factory=Signals)
    _deaths: deque[float] = field(default_factory=deque)

    def start_all(self) -> None:
        """Start every process; raises CommandError when one does not become ready."""
        for _ in range(self.count):
            started = self._start_ready()
            if started is None:
                if self.signals.end:
                    return
                raise CommandError("The web process did not start; what it said stands above.")
            self.running.append(started)

    def replace_all(self) -> bool:
        """Replace each process by a new one that is ready before the old one leaves; False: the old ones stay."""
        for old in list(self.running):
            new = self._start_ready()
            if new is None:
                say("The new web process did not start; the old ones go on serving.")
                return False
            self.running[self.running.index(old)] = new
            self._end([old])
        return True

    def watch(self) -> None:
        """Stay until asked to end; raises CommandError when the processes keep dying."""
        notify("READY=1")
        while not self.signals.end:
            self.signals.wait(WATCH_SECONDS)
            if self.signals.take(signal.SIGHUP):
                notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
                if self.replace_all():
                    say("Every web process is a new one.")
                notify("READY=1")
            self._revive()

    def end_all(self) -> None:
        """End every process in order."""
        notify("STOPPING=1")
        if self.announces and not self.signals.hurry:
            for one in self.running:
                one.tell(signal.SIGUSR1)
            self.signals.wait(self.drain_seconds if self.running else 0)
        self._end(self.running)
        self.running = []

    def _start_ready(self) -> WebProcess | None:
        new = self._start()
        give_up_at = time.monotonic() + self.ready_seconds
        while time.monotonic() < give_up_at and not self.signals.end:
            if self.signals.wait(WATCH_SECONDS, fd=new.ready_fd):
                if os.read(new.ready_fd, 1):
                    return new
                break  # it has ended
        new.tell(signal.SIGTERM)
        new.wait(LAST_WORDS_SECONDS)
        return None

    def _start(self) -> WebProcess:
        readable, writable = os.pipe()
        number = self.listening.fileno()
        try:
            process = subprocess.Popen(
                list(self.command(number, writable)),
                stdin=subprocess.DEVNULL,
                pass_fds=(number, writable),
                # Ctrl-C is for us; we then end them.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(writable)
        return WebProcess(process, readable)

    def _end(self, processes: Sequence[WebProcess]) -> None:
        for one in processes:
            one.tell(signal.SIGINT if self.signals.hurry else signal.SIGTERM)
        for one in processes:
            one.wait(self.drain_seconds + LAST_WORDS_SECONDS)

    def _revive(self) -> None:
        for dead in [one for one in self.running if not one.alive]:
            now = time.monotonic()
            self._deaths.append(now)
            while now - self._deaths[0] > RESTART_WINDOW_SECONDS:
                self._deaths.popleft()
            if len(self._deaths) > RESTARTS_MAX * self.count:
                raise CommandError("The web processes keep ending; what they said stands above.")
            say(f"A web process ended unexpectedly (status {dead.process.returncode}); starting another.")
            time.sleep(min(RESTART_PAUSE_SECONDS_MAX, 0.5 * (len(self._deaths) - 1)))
            dead.wait(0)
            # The next look finds one that does not start, too.
            self.running[self.running.index(dead)] = self._start()


def run_web(settings: Settings) -> None:
    """Serve until SIGTERM, on the socket that systemd holds for us or on one of our own."""
    held = inherited_socket()
    with held or listen(settings.host, settings.port) as listening:
        rolling = Rolling(
            listening,
            settings.web_processes,
            drain_seconds=0 if settings.demo else settings.drain_seconds,
            announces=held is None,
        )
        with rolling.signals.caught():
            try:
                rolling.start_all()
                rolling.watch()
            finally:
                rolling.end_all()


def say(sentence: str) -> None:
    """Tell whoever reads the service's log."""
    print(f"stempel: {sentence}", file=sys.stderr, flush=True)


def notify(state: str) -> None:
    """Tell systemd how we are, where it asked for that (Type=notify)."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return
    address = "\0" + place[1:] if place.startswith("@") else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect(address)
        line.sendall(state.encode())
