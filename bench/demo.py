"""A running demo for the benches that walk through pages: the one that was named, or one of the moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving import END_SECONDS_MAX, ROOT, free_port, need_room

START_SECONDS_MAX = 300
BYTES_NEEDED = 500_000_000


@contextmanager
def running_demo(named: Path | None) -> Iterator[dict[str, Any]]:
    """Yield what the demo says of itself (demo.json). named: that file of a demo which runs already."""
    if named is not None:
        yield json.loads(named.read_text())
        return
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as name:
        folder = Path(name)
        need_room(folder, BYTES_NEEDED)
        command = [
            sys.executable,
            "-m",
            "app.cli",
            "demo",
            "--port",
            str(free_port()),
            "--data-dir",
            str(folder),
        ]
        demo = subprocess.Popen(command, cwd=ROOT / "backend", env={**os.environ}, stdout=subprocess.DEVNULL)
        try:
            yield _await(demo, folder / "demo.json")
        finally:
            demo.terminate()
            try:
                demo.wait(timeout=2 * END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                demo.kill()
                demo.wait(timeout=END_SECONDS_MAX)


def _await(demo: subprocess.Popen[bytes], file: Path) -> dict[str, Any]:
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until and demo.poll() is None:
        if file.exists():
            found: dict[str, Any] = json.loads(file.read_text())
            return found
        time.sleep(0.5)
    demo.kill()
    sys.exit(f"The demo ended, or was not ready within {START_SECONDS_MAX} seconds.")
