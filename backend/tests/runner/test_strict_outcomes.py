"""A run in which a test was skipped or expected to fail is a failed run."""

from __future__ import annotations

import sys

import pytest

from tests.runner.helpers import BACKEND, clean_environment, run

EXCUSED = {
    "skip": "import pytest\n@pytest.mark.skip\ndef test_one(): pass\n",
    "xfail": "import pytest\n@pytest.mark.xfail\ndef test_one(): assert False\n",
    "importorskip": "import pytest\npytest.importorskip('not_there')\ndef test_one(): pass\n",
}


def run_pytest(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "tests.strict_outcomes", "-c", "/dev/null", *arguments]
    # Loading every installed plugin takes seconds, and none of them matters here.
    environment = clean_environment(PYTHONPATH=str(BACKEND), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    return run([*command, str(folder)], env=environment, cwd=folder)


@pytest.mark.parametrize("kind", EXCUSED)
def test_an_excused_test_fails_the_run(tmp_path, kind):
    """Green must mean that everything was shown."""
    (tmp_path / "test_x.py").write_text(EXCUSED[kind])
    (tmp_path / "test_y.py").write_text("def test_two(): pass\n")

    # With workers, as ./stempel test runs it; the count is in the controlling process.
    done = run_pytest(tmp_path, "-p", "xdist", "-n", "1")

    assert done.returncode == 1
    assert "1 test(s) were skipped or expected to fail" in done.stdout


def test_a_clean_run_passes(tmp_path):
    """The control: without excuses the plugin changes nothing."""
    (tmp_path / "test_y.py").write_text("def test_two(): pass\n")

    done = run_pytest(tmp_path)

    assert done.returncode == 0
    assert "1 passed" in done.stdout.splitlines()[-1]
