"""Starts the embedded database as a program, so that tests can kill it or run it as someone else.

Arguments: data folder; then "hold" to stay until standard input closes, or "once" to end at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.runner.helpers import UNSAFE_BUT_QUICK


def main() -> None:
    """Print the server's process id, or the sentence of the refusal."""
    server = EmbeddedPostgres(Path(sys.argv[1]), settings=UNSAFE_BUT_QUICK)
    try:
        server.start()
    except EmbeddedPostgresError as error:
        sys.exit(f"refused: {error}")
    print(server.pid, server.admin_url, flush=True)
    if sys.argv[2] == "hold":
        sys.stdin.read()
    server.stop()


main()
