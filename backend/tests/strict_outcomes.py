"""pytest plugin of `./stempel test`: a test that was skipped or expected to fail fails the run."""

import pytest

EXCUSES = ("skipped", "xfailed", "xpassed")


def count_excuses(config: pytest.Config) -> int:
    """Count the tests of this run that did not prove anything."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return 0
    return sum(len(reporter.stats.get(outcome, [])) for outcome in EXCUSES)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    # With xdist the workers run this too; only the controlling process has the whole count.
    if hasattr(session.config, "workerinput"):
        return
    if session.exitstatus == pytest.ExitCode.OK and count_excuses(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    excused = count_excuses(config)
    if excused:
        terminalreporter.write_line(
            f"{excused} test(s) were skipped or expected to fail: that fails the run.", red=True
        )
