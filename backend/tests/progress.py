"""pytest plugin of `./stempel test`: names failures as they come, and tests that take long while they run.

A build that is ended from outside shows only what was printed until then.
"""

import threading
import time

import pytest

LONG_SECONDS = 180
LOOK_SECONDS = 15


class Progress:
    """Writes from the process that prints; with xdist it hears when a worker begins and ends a test."""

    def __init__(self, reporter: pytest.TerminalReporter, *, long_seconds: float) -> None:
        """Take the limit in seconds after which a test is named."""
        self._reporter = reporter
        self._long_seconds = long_seconds
        self._began: dict[str, float] = {}
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, name="progress", daemon=True)
        self._watch.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember when a test began."""
        self._began[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Forget a test that ended."""
        self._began.pop(nodeid, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Name a failure at once; its text comes at the end of the run."""
        if report.failed:
            self._reporter.write_line(f"\nFAILED at {report.when}: {report.nodeid}")

    def pytest_sessionfinish(self) -> None:
        """Stop looking."""
        self._over.set()
        self._watch.join(timeout=LOOK_SECONDS)

    def _look(self) -> None:
        while not self._over.wait(min(LOOK_SECONDS, self._long_seconds)):
            now = time.monotonic()
            for nodeid, began in list(self._began.items()):
                if now - began > self._long_seconds:
                    self._began.pop(nodeid, None)
                    self._reporter.write_line(f"\nstill running after {now - began:.0f} s: {nodeid}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the test of this plugin wait for less."""
    parser.addoption(
        "--name-after", type=float, default=LONG_SECONDS, help="seconds until a long test is named"
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Watch from the controlling process, once its reporter is there."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        long_seconds = config.getoption("--name-after")
        config.pluginmanager.register(Progress(reporter, long_seconds=long_seconds), "stempel-progress")
