"""The parent of the web processes: new before old, and old when there is no new."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.errors import CommandError
from app.commands.network import inherited_socket
from app.commands.rolling import Rolling, notify
from tests.runner.helpers import BACKEND, clean_environment, run

END_SECONDS_MAX = 20
# Says who it is in a file, tells that it is ready, and stays until SIGTERM.
GOOD = "import os, signal; open({log!r}, 'a').write(f'ready {{os.getpid()}}\\n'); os.write({fd}, b'1'); signal.pause()"
BAD = "raise SystemExit(3)"


class Programs:
    """What the next web process will be."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.program = GOOD

    def __call__(self, _listen_fd: int, ready_fd: int) -> list[str]:
        return [sys.executable, "-c", self.program.format(log=str(self.log), fd=ready_fd)]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "log")


@pytest.fixture
def rolling(programs: Programs) -> Iterator[Rolling]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Rolling(
            listening, 2, drain_seconds=0, announces=False, command=programs, ready_seconds=END_SECONDS_MAX
        )
        yield made
        made.end_all()


def pids(rolling: Rolling) -> list[int]:
    return [one.process.pid for one in rolling.running]


def test_every_process_is_replaced_by_a_ready_one(rolling: Rolling, programs: Programs) -> None:
    """Two new ones have been ready, and the two old ones are gone."""
    rolling.start_all()
    old, processes = pids(rolling), [one.process for one in rolling.running]

    assert rolling.replace_all() is True
    assert set(pids(rolling)).isdisjoint(old)
    assert [one.poll() for one in processes] == [-signal.SIGTERM, -signal.SIGTERM]
    assert programs.log.read_text().splitlines() == [f"ready {pid}" for pid in [*old, *pids(rolling)]]


def test_a_new_release_that_does_not_start_leaves_the_old_one(
    rolling: Rolling, programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    """A broken upgrade is a line in the log, and callers notice nothing."""
    rolling.start_all()
    old = pids(rolling)
    programs.program = BAD

    assert rolling.replace_all() is False
    assert pids(rolling) == old
    assert all(one.alive for one in rolling.running)
    assert "the old ones go on serving" in capfd.readouterr().err


def test_a_first_start_that_fails_is_said(rolling: Rolling, programs: Programs) -> None:
    """There is nothing to go on with."""
    programs.program = BAD

    with pytest.raises(CommandError, match="did not start"):
        rolling.start_all()


def test_a_process_that_dies_is_started_again_until_it_keeps_dying(
    rolling: Rolling, programs: Programs
) -> None:
    """One death is answered at once; a service that cannot live ends, so that somebody hears of it."""
    rolling.start_all()
    first = rolling.running[0]
    first.process.kill()
    first.process.wait(END_SECONDS_MAX)
    rolling._revive()

    assert first not in rolling.running
    assert all(one.alive for one in rolling.running)

    rolling._deaths.extend([float("inf")] * 10)
    dead = rolling.running[0].process
    dead.kill()
    dead.wait(END_SECONDS_MAX)
    with pytest.raises(CommandError, match="keep ending"):
        rolling._revive()


def test_signals_replace_and_end(rolling: Rolling) -> None:
    """SIGHUP replaces, SIGTERM ends the watch; neither is lost in between."""
    with rolling.signals.caught():
        rolling.start_all()
        old = pids(rolling)
        os.kill(os.getpid(), signal.SIGHUP)
        ending = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        ending.start()
        rolling.watch()
        ending.join(END_SECONDS_MAX)

    assert set(pids(rolling)).isdisjoint(old)


def test_systemd_hears_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of sd_notify(3), and silence where nobody asked."""
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(END_SECONDS_MAX)
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        notify("READY=1")
        monkeypatch.setenv("NOTIFY_SOCKET", str(place))
        notify("STOPPING=1")

        assert systemd.recv(100) == b"STOPPING=1"


def test_a_socket_of_systemd_is_taken_over(tmp_path: Path) -> None:
    """It comes as descriptor 3, with our own process id beside it; another's is not ours."""
    program = (
        "import os, sys; from app.commands.network import SYSTEMD_FIRST_FD, inherited_socket\n"
        "os.dup2(int(sys.argv[1]), SYSTEMD_FIRST_FD)\n"
        "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid() + int(sys.argv[2]))}\n"
        "found = inherited_socket(); print(found and found.getsockname())\n"
    )
    place = tmp_path / "socket"
    environment = clean_environment(PYTHONPATH=str(BACKEND))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        number = listening.fileno()
        said = [
            run([sys.executable, "-c", program, str(number), other], env=environment, pass_fds=(number,))
            for other in ("0", "1")
        ]

    assert [one.stderr for one in said] == ["", ""]
    assert [one.stdout.strip() for one in said] == [str(place), "None"]


def test_no_systemd_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain start makes a socket of its own."""
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    monkeypatch.delenv("LISTEN_PID", raising=False)

    assert inherited_socket() is None
