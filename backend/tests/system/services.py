"""Services of the distribution and our own, started for tests and ended with them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.runner.helpers import BACKEND, clean_environment

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 60.0


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Service:
    """A program that goes on until it is stopped; what it says is kept for the failure's message."""

    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=clean_environment)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=dict(self.environment), stdout=log, stderr=log)

    def wait_for(self, address: tuple[str, int] | str) -> None:
        """Wait until something listens there; fails with the program's last words."""
        until = time.monotonic() + START_SECONDS_MAX
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        while time.monotonic() < until:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            with socket.socket(family) as probe:
                if probe.connect_ex(address) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.command[0]} does not listen at {address}:\n{self.log.read_text()}")

    def children(self) -> set[int]:
        """Return the process ids of its children."""
        assert self.process is not None
        pid = self.process.pid
        return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it, by force when it takes too long."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS_MAX)


def stempel(*arguments: str) -> list[str]:
    """Return one of our commands, run by this Python."""
    return [sys.executable, "-m", "app.cli", *arguments]


def environment_of(**settings: object) -> dict[str, str]:
    """Return an environment with these settings and no others."""
    given = {f"STEMPEL_{name.upper()}": str(value) for name, value in settings.items()}
    return clean_environment(PYTHONPATH=str(BACKEND), STEMPEL_LOG_LEVEL="WARNING", **given)
