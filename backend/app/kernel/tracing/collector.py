"""Where traces are sent to."""

from __future__ import annotations

TRACES_PATH = "/v1/traces"


def traces_url(endpoint: str) -> str:
    """Return the address that takes traces: below the collector's base, or itself where all of it is given."""
    base = endpoint.rstrip("/")
    return base if base.endswith(TRACES_PATH) else base + TRACES_PATH
