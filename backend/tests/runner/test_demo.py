"""`demo` as a person runs it: real processes, from the start to the clean end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.commands.network import listen
from tests.runner.helpers import BACKEND, clean_environment, run

START_SECONDS_MAX = 90.0  # a few seconds alone; the tests share two cores


def demo_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


def demo_environment(**changes: str) -> dict[str, str]:
    return clean_environment(PYTHONPATH=str(BACKEND), PYTHONSAFEPATH="1", **changes)


class RunningDemo:
    """A demo process of a test, with its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".out")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                demo_command("demo", "--empty", "--data-dir", str(folder), *arguments),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=demo_environment(),
                start_new_session=True,
            )

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        give_up_at = time.monotonic() + START_SECONDS_MAX
        while not condition():
            assert time.monotonic() < give_up_at, f"waited for {what}: {self.output.read_text()}"
            time.sleep(0.05)

    def says(self, words: str) -> None:
        self.wait_for(lambda: self.process.poll() is not None or words in self.output.read_text(), words)
        assert words in self.output.read_text()

    def get(self, path: str) -> int:
        base = json.loads((self.folder / "demo.json").read_text())["base_url"]
        connection = http.client.HTTPConnection("127.0.0.1", int(base.rpartition(":")[2]), timeout=5)
        try:
            connection.request("GET", path, headers={"Host": base.removeprefix("http://")})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def children(self) -> dict[int, str]:
        """Return the command lines of all living descendants' first generation."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and command:
                found[int(entry.name)] = command
        return found

    def child(self, words: str) -> int:
        return next(pid for pid, command in self.children().items() if words in command)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def all_gone(pids: list[int]) -> bool:
    for _ in range(500):
        # Where nobody collects orphans, a dead one stays in the table as a zombie.
        states = [Path(f"/proc/{pid}/status") for pid in pids]
        if all(not state.exists() or "\nState:\tZ" in state.read_text() for state in states):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningDemo]]:
    started: list[RunningDemo] = []

    def start_demo(*arguments: str) -> RunningDemo:
        started.append(RunningDemo(tmp_path / "the data", *arguments))
        return started[-1]

    yield start_demo
    for demo in started:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


def test_a_demo_says_where_it_is_and_ends_cleanly(start):
    """Ctrl-C ends web, worker and database, with exit status 0 and no traceback."""
    demo = start()
    demo.says("Stempel is running")
    children = demo.children()
    health, ready = demo.get("/healthz"), demo.get("/readyz")
    status = demo.end(signal.SIGINT)
    output = demo.output.read_text()

    assert (health, ready, status) == (200, 200, 0)
    assert len(children) == 3
    assert all_gone(list(children))
    assert "/dashboard" in output
    assert "/docs" in output
    assert "Traceback" not in output


def test_what_dies_is_started_again(start, tmp_path):
    """Web, worker and database are each killed; the demo goes on, and commands find its database."""
    demo = start()
    demo.says("Stempel is running")
    for words in (" serve ", " worker", "/postgres "):
        pid = demo.child(words)
        os.kill(pid, signal.SIGKILL)
        demo.wait_for(
            lambda words=words, pid=pid: any(words in c and p != pid for p, c in demo.children().items()),
            words,
        )
        demo.wait_for(lambda: demo.get("/readyz") == 200, "/readyz")
    environment = demo_environment(STEMPEL_DATA_DIR=str(demo.folder), STEMPEL_DEMO="1")
    doctor = run(demo_command("doctor"), env=environment)
    check = run(demo_command("check"), env=environment)
    merchant = demo_command("create-merchant", "--name", "Kaffi", "--email", "kaffi@example.com")
    weak = run(merchant, env=environment, input="12345678\n")
    made = run(merchant, env=environment, input="n7-Xw!kettle-9\n")
    again = run(merchant, env=environment, input="n7-Xw!kettle-9\n")
    second = run(demo_command("demo", "--data-dir", str(demo.folder)), env=demo_environment())

    assert (doctor.returncode, check.returncode) == (0, 0), doctor.stdout + check.stdout + check.stderr
    assert weak.stderr == "stempel: This password is too easy to guess. Choose a longer one.\n"
    assert (made.returncode, made.stderr) == (0, "")
    assert again.stderr == "stempel: This address already signs in to a business here.\n"
    assert demo.output.read_text().count("ended unexpectedly") >= 3
    assert second.returncode == 1
    assert f"stempel: Stempel is already running on {demo.folder}" in second.stderr
    assert "Traceback" not in second.stderr + second.stdout


def test_a_killed_demo_leaves_nothing_running_and_its_data(start):
    """kill -9: no orphan, and the next start works with the same database."""
    demo = start()
    demo.says("Stempel is running")
    cluster = (demo.folder / "postgres").stat().st_ino
    children = list(demo.children())
    demo.process.kill()
    demo.process.wait(30)
    gone = all_gone(children)
    again = start()
    again.says("Stempel is running")

    assert gone
    assert (again.folder / "postgres").stat().st_ino == cluster
    assert again.end(signal.SIGTERM) == 0


def test_a_stop_while_preparing_is_clean_too(start):
    """Impatience is no error."""
    demo = start()
    demo.says("Preparing the tables")
    status = demo.end(signal.SIGTERM)

    assert status == 0
    assert demo.children() == {}
    assert "Traceback" not in demo.output.read_text()


def test_a_used_port_is_one_sentence(tmp_path):
    """The wish cannot be kept, and nothing has been started."""
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        done = run(
            demo_command("demo", "--port", port, "--data-dir", str(tmp_path / "d")), env=demo_environment()
        )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"stempel: Port {port} is already in use. Stop the other program, choose another with --port, "
        "or leave --port out to take the next free one."
    ]
    assert not (tmp_path / "d" / "postgres").exists()


def test_a_wrong_setting_is_one_sentence(tmp_path):
    """The name is the variable's, as the operator wrote it."""
    done = run(
        demo_command("demo", "--data-dir", str(tmp_path)),
        env=demo_environment(STEMPEL_DATABASE_POOL_SIZE="many"),
    )

    assert done.returncode == 1
    assert done.stderr.startswith("stempel: A setting is not usable. STEMPEL_DATABASE_POOL_SIZE: ")
    assert len(done.stderr.splitlines()) == 1


def test_web_and_worker_without_a_database_say_what_to_set(tmp_path):
    """They never start one of their own."""
    for command in ("serve", "worker"):
        done = run(demo_command(command), env=demo_environment(STEMPEL_DATA_DIR=str(tmp_path)))

        assert done.returncode == 1
        assert done.stderr.startswith("stempel: No database is set. Set STEMPEL_DATABASE_URL")


def test_modules_lists_the_hooks_with_their_places():
    """The operator sees who answers what."""
    done = run(demo_command("modules", "--hooks"), env=demo_environment())

    assert done.returncode == 0
    assert "INVARIANT (Registry)" in done.stdout
