"""Metrics of several processes on one machine: each keeps its figures in files that all of them can add up.

The library decides at its import where figures live, so `share` comes first in a process; nothing here imports it.
Each host has a folder of its own: containers that share a data folder may have the same process numbers. Each kind of
program has one, too, so that a start that finds nobody running begins at zero without touching the others' files.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER = "metrics"
_PROCESS = re.compile(r"_(\d+)\.db$")


def share(data_dir: Path, program: str) -> None:
    """Keep this process's figures below the data folder, and those of processes it starts. program: web or worker.

    A folder that cannot be written is no reason not to serve: the process then keeps its figures to itself.
    """
    host = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node()) or "localhost"
    folder = data_dir / FOLDER / host / program
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = list(folder.glob("*.db"))
        if not any(is_alive(file) for file in files):
            for file in files:
                file.unlink(missing_ok=True)
    except OSError:
        return
    os.environ[FOLDER_VARIABLE] = str(folder)


def shared_files() -> list[str] | None:
    """Return the files of every process of this machine; None where figures are not shared.

    What a process has counted stays when it is gone; how many connections it holds does not.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    files = sorted(Path(folder).parent.glob("*/*.db"))
    return [str(file) for file in files if "_live" not in file.name or is_alive(file)]


def is_alive(file: Path) -> bool:
    """Tell whether the process runs whose figures a file holds."""
    found = _PROCESS.search(file.name)
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
