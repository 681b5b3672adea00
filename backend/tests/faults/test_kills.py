"""A few kills of each of the real processes; many of them: `python -m tests.faults --long` (docs/faults.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.installation import Installation, installation
from tests.faults.killing import Plan, kill_under_load
from tests.faults.running import run
from tests.faults.settling import cards_without_mark

CLOSE = (0.3, 1.2)


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    """Return a running installation without a worker."""
    with installation() as place:
        for _number in range(2):
            place.start_web()
        place.wait_until_ready()
        yield place


async def marks_missing(place: Installation, touched: set[str]) -> list[str]:
    """Return the changed cards that no worker would ever look at."""
    connection: Any = await place.connect()
    try:
        return await cards_without_mark(connection, touched)
    finally:
        await connection.close()


def test_web_processes_killed_under_load_lose_and_double_nothing(place: Installation) -> None:
    """Each granted call is there once, no refused one, no half; each changed card has its mark for the worker."""
    killed = kill_under_load(place, place.kill_web, Plan(seed=20_261, kills=6, apart=CLOSE), mark="quick-web")

    assert killed.verdict.problems == []
    assert run(marks_missing(place, killed.load.touched)) == []
    assert killed.kills == 6
    assert killed.verdict.counts["ok"] >= 6 * 5
