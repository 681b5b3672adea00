"""From the command to the first served request, against Python that does nothing; and what a process weighs.

A first start of `./stempel serve` on a migrated database, asked every few milliseconds until /healthz answers, in turn
with `python -c pass`, by the clock and by CPU time. Both find their bytecode, as in a release (deploy/image/build.sh
compiles it): it is kept in a folder of the moment, also where the environment forbids to write it beside the sources.
Then the memory of the web process after every page that needs no sign-in, and of the worker after some seconds of work.
Run: ./stempel bench start [--rounds 5] [--at-most 50]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from app.db.embedded import EmbeddedPostgres
from findings import Figure, Finding
from serving import (
    END_SECONDS_MAX,
    ROOT,
    SERVE,
    await_ready,
    cpu_seconds,
    free_port,
    need_room,
    open_shop,
    settings_environment,
)

GOAL = 50
MEGABYTES_MAX = 150
WORKER_SECONDS = 6
BYTES_NEEDED = 500_000_000
PAGES = ("/", "/sign-in", "/sign-up", "/join/{store}", "/stamp/{store}", "/openapi.json")


def spent_by_children() -> float:
    """Return the CPU time of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def bytecode_kept_in(folder: Path) -> dict[str, str]:
    """Return the environment of a Python that finds what it has compiled before."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def bare(python: dict[str, str]) -> tuple[float, float]:
    """Start Python and let it end; return seconds by the clock and of CPU."""
    began, cpu = time.perf_counter(), spent_by_children()
    subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=60, env=python)
    return time.perf_counter() - began, spent_by_children() - cpu


def end(process: subprocess.Popen[bytes]) -> None:
    """Let a process go, and wait for it."""
    process.terminate()
    try:
        process.wait(timeout=END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=END_SECONDS_MAX)


def ours(environment: dict[str, str], paths: list[str]) -> tuple[float, float, float]:
    """Start the web process; return seconds and CPU to the first answer, and its megabytes after the pages."""
    port = int(environment["STEMPEL_PORT"])
    began = time.perf_counter()
    web = subprocess.Popen([sys.executable, *SERVE], cwd=ROOT / "backend", env=environment)
    try:
        await_ready(web, port, path="/healthz", pause=0.005)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(web.pid)
        for path in paths:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", headers={"accept": "text/html"}
            )
            # A store that gives no points says so with 409: as good a page as any.
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=60).read()
        return seconds, cpu, megabytes(web.pid)
    finally:
        end(web)


def megabytes(pid: int) -> float:
    """Return what a process holds in memory, or the largest of those below it."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max(int(found.group(1)) / 1024, *map(megabytes, map(int, below)), 0)


def worker(environment: dict[str, str]) -> float:
    """Return the megabytes of the worker process after some seconds of work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "worker"], cwd=ROOT / "backend", env=environment
    )
    try:
        time.sleep(WORKER_SECONDS + cpu_wait())
        assert process.poll() is None, "the worker ended"
        return megabytes(process.pid)
    finally:
        end(process)


def cpu_wait() -> float:
    """Return the seconds that a busy machine needs besides."""
    return os.getloadavg()[0]


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-most", type=float, default=0.0, help="fail above this ratio")
    options = parser.parse_args()
    finding = Finding("start")
    clock, cpu, seconds, weight = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as name:
        folder = Path(name)
        need_room(folder, BYTES_NEEDED)
        with EmbeddedPostgres(folder / "pg") as server:
            environment = settings_environment(server, folder, free_port())
            shop = open_shop(server, environment, cards=10)
            paths = [path.format(store=shop.store) for path in PAGES]
            python = bytecode_kept_in(folder)
            environment = python | environment
            bare(python)
            ours(environment, paths)  # what is compiled once, by an installation
            for _round in range(options.rounds):
                bare_clock, bare_cpu = bare(python)
                spent, burnt, held = ours(environment, paths)
                clock.append(spent / bare_clock)
                cpu.append(burnt / bare_cpu)
                seconds.append(spent)
                weight.append(held)
            working = worker(environment)
    figures = [
        Figure("first answer against bare Python", clock, goal=GOAL, at_most=True, digits=0),
        Figure("the same by CPU time", cpu, digits=0),
        Figure("seconds to the first answer", seconds, "s"),
        Figure("memory of a web process", weight, "MB", MEGABYTES_MAX, at_most=True, digits=0),
        Figure("memory of a worker process", [working], "MB", MEGABYTES_MAX, at_most=True, digits=0),
    ]
    finding.keep(
        figures, on=f"all modules, bytecode compiled before; the web process after {len(PAGES)} pages"
    )
    if options.at_most and figures[0].median > options.at_most:
        sys.exit(f"ratio {figures[0].median:.0f} is above {options.at_most}")


if __name__ == "__main__":
    main()
