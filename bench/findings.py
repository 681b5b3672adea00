"""What a bench found: printed at its end and, where STEMPEL_BENCH_RESULT names a file, kept there as JSON.

`./stempel bench all` names the files and writes docs/performance.md from them.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEPT_IN = "STEMPEL_BENCH_RESULT"


@dataclass(frozen=True)
class Figure:
    """One figure, a value a round; the median counts. goal: at least, or at most where `at_most`; None: for scale."""

    name: str
    values: Sequence[float]
    unit: str = ""
    goal: float | None = None
    at_most: bool = False
    digits: int = 2

    @property
    def median(self) -> float:
        """Return what is quoted."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is reached by the median; None without a goal."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.at_most else self.median >= self.goal

    def facts(self) -> dict[str, Any]:
        """Return the figure as it is kept."""
        return {
            "name": self.name, "median": self.median, "low": min(self.values), "high": max(self.values),
            "rounds": len(self.values), "unit": self.unit, "goal": self.goal, "at_most": self.at_most,
            "digits": self.digits, "met": self.met,
        }  # fmt: skip


class Finding:
    """The findings of one run of a bench; made when it begins, so that the machine's load is that of before."""

    def __init__(self, bench: str) -> None:
        self.bench = bench
        self._began = time.monotonic()
        self._load = os.getloadavg()[0]

    def keep(self, figures: Sequence[Figure], *, on: str) -> bool:
        """Print the figures and keep them; tell whether every goal is met. on: what was measured, on what."""
        print(on)
        for figure in figures:
            print(line_of(figure.facts()))
        load = os.getloadavg()[0]
        print(f"load {self._load:.1f} before, {load:.1f} after", flush=True)
        if KEPT_IN in os.environ:
            facts = {
                "bench": self.bench, "command": command_line(self.bench), "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
                "seconds": round(time.monotonic() - self._began), "cores": os.cpu_count(),
                "python": platform.python_version(), "load_before": round(self._load, 1), "load_after": round(load, 1),
                "on": on, "figures": [figure.facts() for figure in figures],
            }  # fmt: skip
            write_whole(Path(os.environ[KEPT_IN]), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return all(figure.met is not False for figure in figures)


def command_line(bench: str) -> str:
    """Return the command with its options; folders are this machine's own and are only called so."""
    return " ".join(["./stempel bench", bench, *("FOLDER" if "/" in part else part for part in sys.argv[1:])])


def line_of(facts: dict[str, Any]) -> str:
    """Return one kept figure as a line: median, spread, goal, and whether it is met."""
    spread = f" ({number(facts, 'low')} to {number(facts, 'high')})" if facts["rounds"] > 1 else ""
    goal = ""
    if facts["goal"] is not None:
        verdict = "met" if facts["met"] else "open"
        goal = f"; goal {'at most' if facts['at_most'] else 'at least'} {number(facts, 'goal')}: {verdict}"
    return f"{facts['name']}: {number(facts, 'median')}{spread}{goal}"


def number(facts: dict[str, Any], field: str) -> str:
    """Return one of a figure's numbers with its unit."""
    unit = facts["unit"] and " " + facts["unit"]
    return f"{facts[field]:,.{facts['digits']}f}{unit}"


def write_whole(path: Path, text: str) -> None:
    """Write the file whole or not at all: an interrupted run leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.replace(path)
