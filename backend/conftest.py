"""The fixtures of tests/fixtures.py, for the tests beside the modules as well as for those in tests/."""

pytest_plugins = ["tests.fixtures"]
