"""The long fault tests: hundreds of kills in batches; each batch converges and is judged, then the next begins.

    python -m tests.faults --long --state FOLDER [--web 200] [--worker 200] [--database 20]
                                             [--google 20] [--apple 20] [--smtp 20] [--redis 20] [--seed 1]

Interrupted, it goes on with the next batch: FOLDER/batches.jsonl holds what is done. docs/faults.md says how to
read it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.installation import WITH_REDIS, Installation, installation
from tests.faults.killing import Kill, Killed, Plan, kill_under_load
from tests.faults.running import run
from tests.faults.settling import mail_problems, mails_by_recipient, wait_until_settled

BATCH = 20
APART = (2.0, 5.0)
# What is outside stays away so long at least, and until the shop has served meanwhile.
AWAY = (0.0, 3.0)
# The kinds that are killed in turns within one batch.
GROUPS = (("web", "worker"), ("database",), ("google", "apple", "smtp", "redis"))


@dataclass(frozen=True)
class Batch:
    """Twenty kills of one kind, or of several kinds in turns, each kind at its own distance."""

    number: int
    seed: int
    kinds: tuple[str, ...]
    kills: int


def main() -> None:
    """Do what is left to do, and print the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--long", action="store_true", required=True, help="the many kills, for hours")
    parser.add_argument("--state", type=Path, required=True, help="folder of the results and histories")
    parser.add_argument("--web", type=int, default=200)
    parser.add_argument("--worker", type=int, default=200)
    parser.add_argument("--database", type=int, default=20)
    for name in ("google", "apple", "smtp", "redis"):
        parser.add_argument(f"--{name}", type=int, default=20, help="killed, starved, or refusing")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.redis and shutil.which("redis-server") is None:
        sys.exit("There is no redis-server here: install it, or give --redis 0.")
    options.state.mkdir(parents=True, exist_ok=True)
    results = options.state / "batches.jsonl"
    while (batch := next_batch(options, read_results(results))) is not None:
        with installation(**(WITH_REDIS if options.redis else {})) as place:
            for _number in range(2):
                place.start_web()
            place.start_outside("google", "apns", "smtp", *(["redis"] if options.redis else []))
            place.start_worker()
            place.wait_until_ready()
            while batch is not None:
                result = run_batch(place, batch, options.state)
                with results.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                print(json.dumps(result), flush=True)
                if result["problems"]:
                    sys.exit(f"Stopped at batch {batch.number}; its history lies in {options.state}.")
                batch = next_batch(options, read_results(results))
    print_sums(read_results(results))


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the batches that are done."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kills_done(results: list[dict[str, Any]]) -> Counter[str]:
    """Return how often each kind was killed so far."""
    done: Counter[str] = Counter()
    for result in results:
        done.update(result["kills"])
    return done


def next_batch(options: argparse.Namespace, results: list[dict[str, Any]]) -> Batch | None:
    """Return what comes next: web and worker in turns, then the database, then the rest in turns; None: all done."""
    done = kills_done(results)
    left = {name: max(0, getattr(options, name) - done[name]) for group in GROUPS for name in group}
    number = len(results) + 1
    groups = (tuple(name for name in group if left[name]) for group in GROUPS)
    kinds = next(filter(None, groups), ())
    if not kinds:
        return None
    kills = min(options.batch, *(left[name] for name in kinds))
    return Batch(number, options.seed * 10_000 + number, kinds, kills)


def run_batch(place: Installation, batch: Batch, folder: Path) -> dict[str, Any]:
    """Kill, converge, judge; return the line that is kept."""
    kills: Counter[str] = Counter()
    killers: dict[str, Kill] = {
        "web": place.kill_web,
        "worker": place.kill_worker,
        "database": place.kill_database,
        "google": partial(place.break_outside, "google"),
        "apple": partial(place.break_outside, "apns"),
        "smtp": partial(place.break_outside, "smtp"),
        "redis": partial(place.break_outside, "redis"),
    }

    def kill(dice: random.Random) -> Callable[[], None] | None:
        kind = batch.kinds[sum(kills.values()) % len(batch.kinds)]
        mend = killers[kind](dice)
        kills[kind] += 1
        return mend

    apart = tuple(bound / len(batch.kinds) for bound in APART)
    plan = Plan(batch.seed, batch.kills * len(batch.kinds), (apart[0], apart[1]), away=AWAY)
    begun = time.monotonic()
    done = kill_under_load(place, kill, plan, mark=f"batch{batch.number}-{batch.seed}")
    killing = time.monotonic() - begun
    done.load.history.write(folder / f"history-{batch.number}.jsonl")
    problems = list(done.verdict.problems)
    settled = None
    try:
        settled = run(_settle(place))
    except AssertionError as late:
        problems.append(f"not settled: {late}")
    return _line(place, batch, done, kills, problems) | {
        "settled_seconds": settled and round(settled, 1),
        "killing_seconds": round(killing, 1),
    }


async def _settle(place: Installation) -> float:
    connection = await place.connect()
    try:
        return await wait_until_settled(place, connection)
    finally:
        await connection.close()


def _line(
    place: Installation, batch: Batch, done: Killed, kills: Counter[str], problems: list[str]
) -> dict[str, Any]:
    mails = mails_by_recipient(place.folder / "smtp")
    again = sum(len(ids) - len(set(ids)) for ids in mails.values())
    return {
        "batch": batch.number,
        "seed": batch.seed,
        "kills": dict(kills),
        "calls": done.verdict.counts,
        "mails": sum(map(len, mails.values())),
        "mails_again_under_the_same_id": again,
        "slowest_call_seconds": round(max(call.seconds for call in done.load.history.calls), 1),
        "problems": problems + mail_problems(place, done.load.history),
    }


def print_sums(results: list[dict[str, Any]]) -> None:
    """Print what all batches came to."""
    calls: Counter[str] = Counter()
    for result in results:
        calls.update(result["calls"])
    slowest = max((result["settled_seconds"] or 0.0 for result in results), default=0.0)
    problems = sum(len(result["problems"]) for result in results)
    print(
        f"{dict(kills_done(results))} kills, {dict(calls)} calls, settled within {slowest} s, {problems} problems"
    )


if __name__ == "__main__":
    main()
