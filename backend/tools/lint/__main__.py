"""python -m tools.lint: print every problem; the exit status says whether there is one."""

from __future__ import annotations

import sys

from tools.lint.check import find_problems

if __name__ == "__main__":
    problems = find_problems()
    print("\n".join(str(problem) for problem in problems) or "no problems")
    sys.exit(1 if problems else 0)
