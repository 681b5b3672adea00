"""Prove our own rules on their examples, then read the program with them: `./stempel semgrep`.

An example says above a line what must happen there: "ruleid: <id>" (found) or "ok: <id>" (not found).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BACKEND = HERE.parents[1]
OPTIONS = ("--metrics=off", "--disable-version-check", "--no-git-ignore", "--quiet", "--json")
MARK = re.compile(r"(ruleid|ok): ([a-z-]+)")


def scan(semgrep: str, rules: Path, *targets: Path) -> list[tuple[str, str, int, str]]:
    """Return (rule, file, line, text) of everything found."""
    command = [semgrep, "scan", "--config", str(rules), *OPTIONS, *map(str, targets)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BACKEND)
    found = json.loads(answer.stdout)
    if found["errors"]:
        raise SystemExit(f"semgrep could not read everything: {found['errors'][:3]}")
    return [
        (row["check_id"].rpartition(".")[2], row["path"], row["start"]["line"], row["extra"]["message"])
        for row in found["results"]
    ]


def example_problems(semgrep: str, rules: Path) -> list[str]:
    """Return every rule without both examples, and every example that is not judged as it says."""
    # The rules leave tests and some folders out by their paths; on the examples they look everywhere.
    everywhere = re.sub(r"(?m)^    paths:\n(?:      .*\n)+", "", rules.read_text() + "\n")
    plain = HERE / ".rules-everywhere.yaml"
    plain.write_text(everywhere)
    try:
        found = {
            (rule, Path(file).name, line) for rule, file, line, _ in scan(semgrep, plain, HERE / "examples")
        }
    finally:
        plain.unlink()
    problems = []
    for rule in re.findall(r"(?m)^  - id: (.+)$", rules.read_text()):
        files = list((HERE / "examples").glob(f"{rule}.*"))
        marks = [
            (kind, file.name, number + 2)
            for file in files
            for number, line in enumerate(file.read_text().splitlines())
            for kind, name in MARK.findall(line)
            if name == rule
        ]
        if {kind for kind, _, _ in marks} != {"ruleid", "ok"}:
            problems.append(f"{rule}: needs a good and a bad example")
        problems += [
            f"{rule}: {file}:{line} was {'' if (rule, file, line) in found else 'not '}found"
            for kind, file, line in marks
            if ((rule, file, line) in found) != (kind == "ruleid")
        ]
    return problems


def main() -> int:
    """Print what is wrong and return how the process ends."""
    semgrep, rules = sys.argv[1], HERE / "rules.yaml"
    problems = example_problems(semgrep, rules)
    found = [] if problems else scan(semgrep, rules, BACKEND / "app")
    problems += [f"{file}:{line}: {rule}: {message}" for rule, file, line, message in found]
    print("\n".join(problems) or "semgrep: every rule finds its bad example; nothing in the program.")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
