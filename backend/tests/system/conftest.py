"""The browser's fixtures, for the walks that are too long for the ordinary run."""

from tests.browser.conftest import chrome, chromium_path, demo, driver, open_context

__all__ = ["chrome", "chromium_path", "demo", "driver", "open_context"]
