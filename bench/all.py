"""Every bench, one after the other, and docs/performance.md written from what they found.

Run: ./stempel bench all [--quick] [--resume] [--only stamp,pin] [--peers] [--analytics FOLDER] [--write-only]
--quick: small sizes, about a quarter of an hour on an idle machine. --resume: go on after an interruption; what was
found within the last three hours is not measured again. --analytics: a folder in which `./stempel bench analytics
--keep` made its events, whose pages are measured again. --results: where findings are kept, one file a bench.
Each bench has a time in which it must end; one that fails or takes longer is named and does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from findings import KEPT_IN
from report import DOCUMENT, note_run, write_document
from serving import ROOT

RESULTS = ROOT / "bench/results"
RESUME_SECONDS = 3 * 3_600
END_SECONDS_MAX = 60
KEPT_PAGES_SECONDS = 600


@dataclass(frozen=True)
class Entry:
    """One bench of the run. quick, full: its options; the seconds are those in which it must have ended.

    is_sized: its figures belong to a size, so that a quick run does not replace a full one.
    """

    name: str
    quick: str
    quick_seconds: int
    full: str
    full_seconds: int
    is_sized: bool = False


ENTRIES = (
    Entry("stamp", "--rounds 5 --seconds 5", 180, "--rounds 7 --seconds 10", 400),
    Entry("pin", "--rounds 5 --seconds 4", 180, "--rounds 9 --seconds 6", 400),
    Entry("flat", "--events 1000000 --rounds 5 --seconds 3", 300, "--events 10000000 --rounds 9", 3_600, is_sized=True),
    Entry("neighbour", "--rounds 3 --seconds 4", 240, "--rounds 7 --seconds 8 --rows 400000", 600, is_sized=True),
    Entry("refresh", "--rounds 5 --seconds 3", 180, "--rounds 9 --seconds 6", 400),
    Entry("start", "--rounds 5", 150, "--rounds 9", 300),
    Entry("pages", "", 180, "", 300),
    Entry("qr", "", 60, "--rounds 15", 60),
    Entry("apple_pass", "--rounds 5 --passes 200", 90, "", 300),
    Entry("push", "--rounds 5", 90, "", 200),
    Entry("google_update", "--cards 60 --stamps 600", 150, "", 300),
    Entry("customer_search", "--customers 100000", 150, "", 900, is_sized=True),
    Entry("exports", "--rows 300000 --rounds 3", 150, "--xlsx", 1_800, is_sized=True),
    Entry("analytics", "--events 500000 --pages-only", 240, "--events 10000000 --pages-only", 7_200, is_sized=True),
    Entry("first_card", "--rounds 5", 240, "", 400),
)  # fmt: skip


def main() -> None:
    """Run, keep, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--only", default="", help="names of benches, with commas between them")
    parser.add_argument("--peers", action="store_true", help="install what others made and measure it too")
    parser.add_argument("--analytics", type=Path, help="the kept folder of the bench of that name")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write-only", action="store_true", help="write the document from what is kept")
    options = parser.parse_args()
    wanted = [entry for entry in ENTRIES if not options.only or entry.name in options.only.split(",")]
    if not wanted:
        sys.exit(f"there is no bench of that name: {', '.join(entry.name for entry in ENTRIES)}")
    if not options.write_only:
        missing = {}
        for entry in wanted:
            reason = run(entry, options)
            if reason:
                missing[entry.name] = reason
            note_run(options.results, [entry.name], missing)
            write_document(options.results)
        for name, reason in missing.items():
            print(f"{name}: not measured: {reason}")
    write_document(options.results)
    print(f"written: {DOCUMENT.relative_to(ROOT)}")


def run(entry: Entry, options: argparse.Namespace) -> str:
    """Run one bench; return why there is no finding, or nothing."""
    is_small = options.quick and entry.is_sized and not (entry.name == "analytics" and options.analytics)
    kept = options.results / f"{entry.name}{'-quick' if is_small else ''}.json"
    if options.resume and kept.exists() and time.time() - kept.stat().st_mtime < RESUME_SECONDS:
        print(f"{entry.name}: found before", flush=True)
        return ""
    arguments = (entry.quick if options.quick else entry.full).split()
    limit = entry.quick_seconds if options.quick else entry.full_seconds
    if entry.name == "analytics" and options.analytics:
        arguments = ["--events", "10000000", "--pages-only", "--keep", str(options.analytics)]
        limit = KEPT_PAGES_SECONDS
    if entry.name == "apple_pass" and options.peers:
        arguments, limit = [*arguments, "--peers"], limit + 300
    began = time.time()
    print(f"\n{entry.name} {' '.join(arguments)} (at most {limit} s)", flush=True)
    ended, last = follow(
        [sys.executable, str(ROOT / f"bench/{entry.name}.py"), *arguments], kept, seconds=limit
    )
    if kept.exists() and kept.stat().st_mtime >= began - 1:
        return ""
    return last if ended else f"it had not ended after {limit} seconds"


def follow(command: list[str], kept: Path, *, seconds: float) -> tuple[bool, str]:
    """Run the command in a group of its own; return whether it ended by itself, and its last line."""
    log = kept.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, KEPT_IN: str(kept)}
    with log.open("w+") as output:
        bench = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )  # fmt: skip
        ended = True
        try:
            bench.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            end_group(bench)
        output.seek(0)
        lines = output.read().strip().splitlines() or ["it said nothing"]
    print("\n".join(lines[-30:]), flush=True)
    log.unlink()
    return ended, lines[-1][:200]


def end_group(bench: subprocess.Popen[bytes]) -> None:
    """End a bench and all it started: first politely, so that databases stop and folders go, then for good."""
    for number, patience in ((signal.SIGINT, END_SECONDS_MAX), (signal.SIGKILL, END_SECONDS_MAX)):
        if bench.poll() is not None:
            return
        os.killpg(bench.pid, number)
        try:
            bench.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    main()
