"""A run that is ended from outside has said what failed and what it was waiting for."""

from __future__ import annotations

import re
import sys

from tests.runner.helpers import BACKEND, clean_environment, run

SLOW = "import time\ndef test_slow(): time.sleep(2)\n"
BROKEN = "def test_broken(): assert False\n"


def run_pytest(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.progress",
        "-c",
        "/dev/null",
        "-p",
        "xdist",
        "-n",
        "1",
    ]
    environment = clean_environment(PYTHONPATH=str(BACKEND), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    return run([*command, *arguments, str(folder)], env=environment, cwd=folder)


def test_a_long_test_is_named_while_it_runs(tmp_path):
    """The name comes before the test's own result."""
    (tmp_path / "test_x.py").write_text(SLOW)

    done = run_pytest(tmp_path, "--name-after", "0.5")

    assert done.returncode == 0
    named = re.search(r"still running after \d+ s: test_x.py::test_slow", done.stdout)
    assert named
    assert named.end() < done.stdout.index("1 passed")


def test_a_failure_is_named_at_once(tmp_path):
    """Before the run's own summary, which an ended run never writes."""
    (tmp_path / "test_x.py").write_text(BROKEN)

    done = run_pytest(tmp_path)

    assert done.returncode == 1
    assert done.stdout.index("FAILED at call: test_x.py::test_broken") < done.stdout.index("= FAILURES =")


def test_a_quick_run_says_nothing(tmp_path):
    """The control: nothing long, nothing failed."""
    (tmp_path / "test_x.py").write_text("def test_quick(): pass\n")

    done = run_pytest(tmp_path)

    assert "still running" not in done.stdout
    assert "FAILED" not in done.stdout
