"""Each rule with an example it lets pass and one it finds."""

from __future__ import annotations

import pytest

from tools.lint.check import check_file, check_text
from tools.lint.sources import SourceFile

SERVICE = "app/modules/stamps/service.py"
RULES = "app/modules/x/rules.py"
LOCK = "backend/requirements.txt"
SITE = "https://example.com"
LONG_BODY = "".join(f"    value_{number} = {number}\n" for number in range(80))
HANDLER = '@router.post("/x")\nasync def post_x():\n    """Say x."""\n'

CASES = [
    ("no_commit_in_modules", SERVICE, "await session.flush()\n", "await session.commit()\n"),
    ("one_clock", SERVICE, "now = clock.now()\n", "now = datetime.now(UTC)\n"),
    ("one_clock", SERVICE, "from datetime import date\n", "day = datetime.date.today()\n"),
    ("one_clock", "app/utils/security.py", "start = time.monotonic()\n", "stamp = time.time_ns()\n"),
    ("no_patched_code", "tests/test_x.py", 'patch("socket.socket")\n', 'mock.patch("app.main.x")\n'),
    ("no_chained_unequal", SERVICE, "ok = 0 < a < 5 and a != b\n", "bad = a != b != c\n"),
    ("no_background_tasks", SERVICE, "from x import Depends\n", "from x import BackgroundTasks\n"),
    ("no_open_ends", SERVICE, 'text = "TODO"\n', "x = 1  # TODO later\n"),
    ("small_file", SERVICE, "x = 1\n" * 400, "x = 1\n" * 401),
    ("small_functions", SERVICE, "def f():\n    return 1\n", f"def f():\n{LONG_BODY}"),
    ("thin_handlers", "app/modules/x/api.py", HANDLER + "    return 1\n", HANDLER + "    x = 1\n" * 16),
    ("pure_rules", RULES, "from datetime import date\n", "import sqlalchemy\n"),
    (
        "pure_rules",
        "app/modules/x/rules.py",
        "from app.kernel.outcomes import Refusal\n",
        "from app.config import S\n",
    ),
    (
        "pure_rules",
        "app/modules/x/rules.py",
        "from app.modules.y.public import f\n",
        "from app.modules.y.rules import f\n",
    ),
    ("pure_rules", RULES, "import math\n", "import random\n"),
    ("pure_rules", RULES, "def f(): ...\n", "async def f(): ...\n"),
    ("outside_calls_in_adapters", "app/modules/x/service.py", "import json\n", "import httpx2\n"),
]


def rules_broken(path: str, text: str) -> set[str]:
    return {problem.rule for problem in check_file(SourceFile(path, text))}


@pytest.mark.parametrize(("rule", "path", "good", "bad"), CASES)
def test_rule_finds_the_bad_and_passes_the_good(rule: str, path: str, good: str, bad: str) -> None:
    """The planted violation is found, its neighbour is not."""
    assert rules_broken(path, good) == set()
    assert rules_broken(path, bad) == {rule}


@pytest.mark.parametrize("name", ["jobs", "adapters/google", "google_wallet/client", "smtp"])
def test_jobs_and_adapters_may_speak_to_the_world(name: str) -> None:
    """Only they."""
    assert rules_broken(f"app/modules/x/{name}.py", "import httpx2\n") == set()


def test_tests_and_factories_may_do_what_modules_may_not() -> None:
    """A module's tests may commit and be long; its factories are product code."""
    assert rules_broken("app/modules/x/tests/test_x.py", "await session.commit()\n") == set()
    assert rules_broken("app/modules/x/factories.py", "await session.commit()\n") == {"no_commit_in_modules"}


@pytest.mark.parametrize(
    ("path", "good", "bad", "rule"),
    [
        ("docs/x.md", "see /etc/stempel", "see /home/anna/stempel", "no_machine_path"),
        ("stempel", "as root: /root", "/".join(["cd ", "root", "checkout"]), "no_machine_path"),
        ("README.md", "work folder", "/".join(["cd ", "work", "main"]), "no_machine_path"),
        (
            "backend/requirements.txt",
            "a==1 \\\n    --hash=sha256:00",
            f"--index-url {SITE}",
            "no_address_in_locks",
        ),
        (
            "backend/requirements.txt",
            "    # from https://example.com",
            "a @ https://example.com/a.whl",
            "no_address_in_locks",
        ),
        ("docs/x.md", "to do", "TODO: write", "no_open_ends"),
    ],
)
def test_texts_hold_no_trace_of_a_machine(path: str, good: str, bad: str, rule: str) -> None:
    """Paths, package indexes and open ends are found in texts of any kind."""
    assert list(check_text(path, good)) == []
    assert [problem.rule for problem in check_text(path, bad)] == [rule]
