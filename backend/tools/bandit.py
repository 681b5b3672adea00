"""Bandit over the program, with every accepted finding named and explained: `python -m tools.bandit`.

A finding that is neither listed nor marked at its place (`# noqa: S608 (why)`) fails the check, and so does a line of
the list that nothing answers to any more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BACKEND = Path(__file__).parents[1]
# Rules that ask about a thing this program does on purpose everywhere.
LEFT_OUT = {
    "B101": "assertions are for what cannot happen, and the program is never run with -O",
    "B105": "finds names of fields and files, no password; secrets in the sources are looked for by the project rules",
    "B107": "the same, for defaults of parameters",
    "B311": "random numbers that spread load or draw demo data; secrets are semgrep's rule random-secret-from-random",
    "B404": "importing subprocess is no call of it; B602 finds shells",
    "B603": "programs are started by lists of arguments of our own",
}
SQL = "composed of constants and names in the code; values are parameters"
DRAWN = "drawn by our own templates, which escape, or by our QR code"
# (file, rule) and why it is well.
ACCEPTED = {
    ("app/commands/demo.py", "B104"): "the demo on the local network, when asked for by --lan",
    (
        "app/db/embedded_files.py",
        "B108",
    ): "a folder made by mkdtemp, with mode 0700, because sockets need short paths",
}
ACCEPTED |= {
    (file, "B608"): SQL
    for file in (
        "app/db/partitions.py",
        "app/kernel/jobs/dead.py",
        "app/kernel/jobs/schedule.py",
        "app/kernel/web/limit_rows.py",
        "app/modules/analytics/counting/statements.py",
        "app/modules/staff/queries.py",
        "app/modules/wallets/restored.py",
    )
}
ACCEPTED |= {(file, "B704"): DRAWN for file in ("app/kernel/web/shell.py",)}


def find_issues(*targets: str) -> list[tuple[str, str, int, str]]:
    """Return (file, rule, line, words) of every finding."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", *targets, "-x", "*/tests/*", "-f", "json"]
    command += ["-s", ",".join(LEFT_OUT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BACKEND)
    report = json.loads(answer.stdout)
    assert not report["errors"], report["errors"]
    return [
        (row["filename"].removeprefix("./"), row["test_id"], row["line_number"], row["issue_text"])
        for row in report["results"]
        if not _is_marked(row)
    ]


def _is_marked(row: dict[str, Any]) -> bool:
    """Tell whether the statement says itself why it is well: `# noqa: S608`, as ruff calls its twin of the rule."""
    lines = (BACKEND / row["filename"]).read_text().splitlines()
    statement = lines[row["line_range"][0] - 1 : row["line_range"][-1]]
    return any(f"noqa: S{row['test_id'][1:]}" in line for line in statement)


def judge(issues: list[tuple[str, str, int, str]], accepted: dict[tuple[str, str], str]) -> list[str]:
    """Return what is neither accepted nor answered to."""
    seen = {(file, rule) for file, rule, _, _ in issues}
    new = [
        f"{file}:{line}: {rule}: {words} (accept it in tools/bandit.py with its reason, or change it)"
        for file, rule, line, words in issues
        if (file, rule) not in accepted
    ]
    stale = [
        f"tools/bandit.py: {file} {rule} is not found any more"
        for file, rule in sorted(accepted.keys() - seen)
    ]
    return new + stale


def main() -> int:
    """Print what is wrong and return how the process ends."""
    problems = judge(find_issues("app"), ACCEPTED)
    print("\n".join(problems) or "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
