"""docs/asvs.md holds every requirement of levels 1 and 2 once, and names places that exist."""

from __future__ import annotations

import re
from collections import Counter

from tools.lint.sources import ROOT

PAGE = (ROOT / "docs" / "asvs.md").read_text()
ROW = re.compile(
    r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+) \| (met|does not apply|\*\*open\*\*) \| (.+) \|$", re.M
)
# Requirements of levels 1 and 2 in each chapter of ASVS 5.0.0.
COUNTS = {1: 27, 2: 11, 3: 19, 4: 10, 5: 9, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13, 14: 9}
COUNTS |= {15: 13, 16: 16, 17: 7}


def test_every_requirement_has_its_row() -> None:
    """None is missing, none stands twice, and the totals of the first paragraph are those of the rows."""
    rows = ROW.findall(PAGE)
    numbers = [number for number, *_ in rows]

    assert len(numbers) == len(set(numbers))
    assert dict(Counter(int(number.split(".")[0]) for number in numbers)) == COUNTS
    states = Counter(state for *_, state, _place in rows)
    for words in (
        f"**{len(rows)}** requirements",
        f"**{states['met']}** met",
        f"**{states['**open**']}** open",
    ):
        assert words in PAGE


def test_the_places_exist() -> None:
    """Tests and files that are named are there; a met requirement names a place at all."""
    tests = "\n".join(path.read_text() for path in (ROOT / "backend").rglob("test_*.py"))
    wrong = []
    for number, _level, _words, state, place in ROW.findall(PAGE):
        for name in re.findall(r"`([^`]+)`", place):
            file = re.match(r"^[\w/]+(\.py|\.md|\.txt)?$", name)
            if name.startswith("test_") and not name.endswith(".py") and "…" not in name and " " not in name:
                if name.partition("[")[0] not in tests:
                    wrong.append(f"{number}: {name}")
            elif file and "/" in name and name.endswith((".py", ".md")):
                places = [ROOT / name, ROOT / "backend" / name, ROOT / "backend/app" / name]
                places += [ROOT / "backend/app/modules" / name]
                if not any(path.exists() for path in places):
                    wrong.append(f"{number}: {name}")
        if state == "met" and len(place) < 4:
            wrong.append(f"{number}: no place")

    assert wrong == []
