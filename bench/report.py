"""Writes the measured part of docs/performance.md from the findings that are kept; the rest of the page stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from findings import number, write_whole
from serving import ROOT

DOCUMENT = ROOT / "docs/performance.md"
BEGIN = "<!-- measured: written by ./stempel bench all; change nothing between here and the end mark -->"
END = "<!-- end of what was measured -->"
LAST_RUN = "last-run.json"


def note_run(results: Path, names: list[str], missing: dict[str, str]) -> None:
    """Remember which benches could not be measured, and why, until they are."""
    known: dict[str, str] = _read(results / LAST_RUN) if (results / LAST_RUN).exists() else {}
    for name in names:
        known.pop(name, None)
    write_whole(results / LAST_RUN, json.dumps(known | missing, indent=1) + "\n")


def write_document(results: Path) -> None:
    """Put what is kept between the two marks of the page."""
    found = [_read(path) for path in sorted(results.glob("*.json")) if path.name != LAST_RUN]
    missing: dict[str, str] = _read(results / LAST_RUN) if (results / LAST_RUN).exists() else {}
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{DOCUMENT.name} has lost its marks"
    part = "\n\n".join([BEGIN, _summary(found), *map(_section, found), *_left_out(missing), END])
    write_whole(DOCUMENT, before + part + after)


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _summary(found: list[dict[str, Any]]) -> str:
    lines = ["| figure | reached | goal | |", "|---|---|---|---|"]
    for finding in found:
        for figure in finding["figures"]:
            if figure["goal"] is not None:
                lines.append(
                    f"| {figure['name']} | {_spread(figure)} | {_goal(figure)} | {_verdict(figure)} |"
                )
    return "\n".join(lines)


def _section(finding: dict[str, Any]) -> str:
    lines = [
        f"### `{finding['command']}`",
        "",
        f"{finding['on']}. {finding['at']} UTC, {finding['seconds']} s, {finding['cores']} cores, Python"
        f" {finding['python']}, load {finding['load_before']} before and {finding['load_after']} after.",
        "",
        "| | median | from | to | rounds | |",
        "|---|---|---|---|---|---|",
    ]
    for figure in finding["figures"]:
        lines.append(
            f"| {figure['name']} | {number(figure, 'median')} | {number(figure, 'low')} | {number(figure, 'high')}"
            f" | {figure['rounds']} | {_verdict(figure)} |"
        )
    return "\n".join(lines)


def _left_out(missing: dict[str, str]) -> list[str]:
    if not missing:
        return []
    return ["Not measured: " + "; ".join(f"`{name}` ({reason})" for name, reason in missing.items()) + "."]


def _spread(figure: dict[str, Any]) -> str:
    if figure["rounds"] == 1:
        return number(figure, "median")
    return f"{number(figure, 'median')} ({number(figure, 'low')} to {number(figure, 'high')})"


def _goal(figure: dict[str, Any]) -> str:
    return ("at most " if figure["at_most"] else "at least ") + number(figure, "goal")


def _verdict(figure: dict[str, Any]) -> str:
    return {True: "met", False: "**open**", None: ""}[figure["met"]]
