"""Asks the web process of this container whether it answers; exit status 0 when it does."""

from __future__ import annotations

import http.client
import os
import sys

SECONDS_MAX = 4


def main() -> int:
    """Return 0 when /healthz answers 200."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("STEMPEL_PORT", "8000")), timeout=SECONDS_MAX
    )
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return 0 if connection.getresponse().status == http.client.OK else 1
    except OSError as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
