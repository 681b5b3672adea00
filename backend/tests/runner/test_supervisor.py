"""Children are kept alive within limits, and end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.commands.demo_file import moved_to, read_demo, write_demo
from app.commands.errors import CommandError, describe
from app.commands.network import listen
from app.commands.supervisor import RESTART_PAUSE_SECONDS_MAX, RESTARTS_MAX, Child, stop_all
from tests.runner.helpers import BACKEND, clean_environment


def make_child(tmp_path: Path, program: str) -> Child:
    return Child("test", [sys.executable, "-c", program], clean_environment(), tmp_path / "test.log")


def wait_for(child: Child) -> None:
    assert child.process is not None
    child.process.wait(30)


def test_a_child_that_dies_once_is_started_again_at_once(tmp_path):
    """One crash costs no pause."""
    child = make_child(tmp_path, "import time; time.sleep(60)")
    child.start()
    assert child.process is not None
    first = child.process.pid
    child.process.kill()
    wait_for(child)

    assert child.revive(100.0) is True
    assert child.alive
    assert child.process.pid != first
    assert child.revive(100.1) is False
    child.stop()
    assert not child.alive


def test_a_child_that_keeps_dying_is_given_up_with_its_last_words(tmp_path):
    """Restarting for ever would hide the fault; the sentence shows what the child said."""
    child = make_child(tmp_path, "raise SystemExit('no such setting')")
    child.start()
    now = 100.0
    for _ in range(RESTARTS_MAX):
        wait_for(child)
        now += 0.1
        child.revive(now)
        now = max(now, child.start_not_before)
        if child.process is None:
            child.revive(now)
    wait_for(child)

    with pytest.raises(CommandError, match=r"keeps ending \(status 1\); its last lines:\n.*no such setting"):
        child.revive(now + 0.1)


def test_crashes_far_apart_are_not_counted_together(tmp_path):
    """Six deaths in an hour are no storm."""
    child = make_child(tmp_path, "pass")
    child.start()
    for hour in range(RESTARTS_MAX + 2):
        wait_for(child)
        child.revive(hour * 3600.0)
    wait_for(child)

    assert len(child.deaths) == 1
    assert child.start_not_before <= (RESTARTS_MAX + 1) * 3600.0 + RESTART_PAUSE_SECONDS_MAX


def test_children_end_with_a_killed_parent(tmp_path):
    """kill -9 of the supervisor leaves no child behind."""
    program = (
        "import sys, time; from pathlib import Path; from app.commands.supervisor import Child\n"
        "child = Child('x', [sys.executable, '-c', 'import time; time.sleep(60)'], {}, Path(sys.argv[1]))\n"
        "child.start(); print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONPATH=str(BACKEND)),
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate(timeout=30)
    gone = False
    for _ in range(500):
        # Where nobody collects orphans, a dead one stays in the table as a zombie.
        gone = not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
        if gone:
            break
        time.sleep(0.02)

    assert gone


def test_a_child_that_will_not_end_is_ended(tmp_path):
    """Stopping is bounded."""
    child = make_child(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(1, flush=True); time.sleep(60)",
    )
    child.stop_seconds_max = 0.2
    child.start()
    while not child.log_file.read_text():
        time.sleep(0.01)
    process = child.process
    stop_all([child])

    assert process is not None
    assert process.returncode == -signal.SIGKILL


def test_a_used_port_is_named_when_it_was_asked_for():
    """The wish is kept exactly, or refused."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"^Port {port} is already in use"):
            listen("127.0.0.1", port)


def test_without_a_wish_the_next_free_port_is_taken():
    """Two demos without --port do not meet."""
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


def test_demo_json_is_private_and_whole(tmp_path):
    """It holds passwords."""
    write_demo(tmp_path, {"base_url": "http://localhost:1", "merchants": []})

    assert read_demo(tmp_path) == {"base_url": "http://localhost:1", "merchants": []}
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["demo.json"]


def test_a_broken_demo_json_counts_as_none(tmp_path):
    """Half a file is no file."""
    (tmp_path / "demo.json").write_text('{"base_url": ')

    assert read_demo(tmp_path) is None


def test_addresses_move_with_the_port():
    """Only addresses under the old base change, not those that merely begin alike."""
    content = {
        "a": ["http://localhost:80/join/1", "http://localhost:8000/x"],
        "b": "http://localhost:80",
        "c": 5,
    }

    assert moved_to(content, "http://localhost:80", "http://localhost:81") == {
        "a": ["http://localhost:81/join/1", "http://localhost:8000/x"],
        "b": "http://localhost:81",
        "c": 5,
    }


def test_an_unexpected_error_is_a_sentence_too():
    """No traceback, but the way to one."""
    assert describe(KeyError("x")) == (
        "This should not have happened: KeyError: 'x'. STEMPEL_DEBUG=1 shows where."
    )
