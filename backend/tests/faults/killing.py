"""Kills at random moments under load, and the judgement afterwards. The seed is printed: it draws the same moments."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.history import Verdict, compare
from tests.faults.installation import Installation
from tests.faults.load import Load, under_load
from tests.faults.running import run

# What is broken for longer than a moment returns what mends it.
Kill = Callable[[random.Random], Callable[[], None] | None]


@dataclass(frozen=True)
class Plan:
    """What is killed how often, and how many seconds lie between two kills."""

    seed: int
    kills: int
    apart: tuple[float, float]
    # Calls granted between two kills: each hits a shop that serves. What is broken for longer stays so meanwhile.
    served: int = 5
    away: tuple[float, float] = (0.0, 0.0)


@dataclass
class Killed:
    """What came of it."""

    load: Load
    kills: int = 0
    verdict: Verdict = field(default_factory=Verdict)


def kill_under_load(place: Installation, kill: Kill, plan: Plan, *, mark: str) -> Killed:
    """Kill as planned while clients are at work, let them finish, and compare."""
    dice = random.Random(plan.seed)  # noqa: S311 (the same in every run)
    print(f"{mark}: seed {plan.seed}")
    with under_load(place, mark, seed=plan.seed) as load:
        done = Killed(load)
        load.wait_for(plan.served)
        for _number in range(plan.kills):
            time.sleep(dice.uniform(*plan.apart))
            mend = kill(dice)
            done.kills += 1
            try:
                load.wait_for(plan.served)
                if mend is not None:
                    time.sleep(dice.uniform(*plan.away))
            finally:
                if mend is not None:
                    mend()
    done.verdict = run(_compare(place, load))
    load.history.write(place.folder / f"history-{mark}.jsonl")
    return done


async def _compare(place: Installation, load: Load) -> Verdict:
    connection = await place.connect()
    try:
        verdict = await compare(load.history, connection)
    finally:
        await connection.close()
    verdict.halves += [str(found) for found in await place.broken_promises()]
    return verdict
