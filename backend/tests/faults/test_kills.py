"""A few kills of each of the real processes; many of them: `python -m tests.faults --long` (docs/faults.md)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest

from tests.faults.history import Call, History, Verdict, compare
from tests.faults.installation import WITH_REDIS, Installation, installation
from tests.faults.killing import Plan, kill_under_load
from tests.faults.outside import write_mood
from tests.faults.running import run
from tests.faults.settling import cards_without_mark, let_a_minute_pass, mail_problems, wait_until_settled

T = TypeVar("T")
CLOSE = (0.3, 1.2)
SETTLED_SECONDS_MAX = 120.0
DEAD_SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    """Return a running installation without a worker."""
    with installation() as place:
        for _number in range(2):
            place.start_web()
        place.wait_until_ready()
        yield place


async def with_connection(place: Installation, work: Callable[[Any], Awaitable[T]]) -> T:
    """Do something with a connection of the owner's."""
    connection = await place.connect()
    try:
        return await work(connection)
    finally:
        await connection.close()


def test_web_processes_killed_under_load_lose_and_double_nothing(place: Installation) -> None:
    """Each granted call is there once, no refused one, no half; each changed card has its mark for the worker."""
    killed = kill_under_load(place, place.kill_web, Plan(seed=20_261, kills=6, apart=CLOSE), mark="quick-web")

    assert killed.verdict.problems == []
    assert run(with_connection(place, partial(cards_without_mark, touched=killed.load.touched))) == []
    assert killed.kills == 6
    assert killed.verdict.counts["ok"] >= 6 * 5


def test_the_worker_killed_under_load_loses_no_job(place: Installation) -> None:
    """Google, the phones and the mailboxes end with what each card is; a mail sent again is the same mail."""
    place.start_outside("google", "apns", "smtp")
    place.start_worker()
    killed = kill_under_load(
        place, place.kill_worker, Plan(seed=20_262, kills=5, apart=CLOSE), mark="quick-worker"
    )
    # What a dead worker held comes back after a minute; the minute is made to pass here.
    place.workers.pop().kill()
    run(with_connection(place, let_a_minute_pass))
    place.start_worker()
    try:
        run(with_connection(place, partial(wait_until_settled, place, seconds=SETTLED_SECONDS_MAX)))
    finally:
        place.workers.pop().kill()

    assert killed.verdict.problems == []
    assert mail_problems(place, killed.load.history) == []


def test_postgresql_killed_under_load_loses_and_doubles_nothing(place: Installation) -> None:
    """What was acknowledged survives the server's death; web processes find the new one, without a 500."""
    plan = Plan(seed=20_263, kills=2, apart=CLOSE)
    killed = kill_under_load(place, place.kill_database, plan, mark="quick-database")

    assert killed.verdict.problems == []
    assert killed.kills == 2
    assert run(with_connection(place, partial(cards_without_mark, touched=killed.load.touched))) == []


@pytest.mark.parametrize("provider", ["google", "apns", "smtp"])
def test_a_worker_killed_between_the_answer_and_its_commit_does_it_again(
    place: Installation, provider: str
) -> None:
    """Done outside, not noted here: done again, and it ends as one object, one push, one and the same mail."""
    dice = random.Random(20_265)  # noqa: S311 (the same in every run)
    outside = [name for name in ("google", "apns", "smtp") if name not in place.outside]
    place.start_outside(*outside)
    place.start_worker()
    (worker,) = place.workers
    write_mood(place.folder / provider, f"kill:{worker.pid}")
    killed = kill_under_load(place, nobody, Plan(seed=20_265, kills=1, apart=CLOSE), mark=f"quick-{provider}")
    try:
        worker.wait_until_dead(DEAD_SECONDS_MAX)
        write_mood(place.folder / provider, None)
        run(with_connection(place, let_a_minute_pass))
        place.kill_worker(dice)
        run(with_connection(place, partial(wait_until_settled, place, seconds=SETTLED_SECONDS_MAX)))
    finally:
        write_mood(place.folder / provider, None)
        place.workers.pop().kill()

    assert killed.verdict.problems == []
    assert mail_problems(place, killed.load.history) == []


OUTSIDE_SECONDS_MAX = 40.0


def test_what_is_outside_killed_starved_and_refusing_loses_nothing(place: Installation) -> None:
    """Google, Apple and the mail server break in turns while the shop serves; then all of them show what is true."""
    names = ("google", "apns", "smtp")
    place.start_outside(*(name for name in names if name not in place.outside))
    place.start_worker()
    turns = itertools.cycle(names)
    plan = Plan(seed=20_266, kills=6, apart=CLOSE, away=CLOSE)
    killed = kill_under_load(
        place, lambda dice: place.break_outside(next(turns), dice), plan, mark="quick-outside"
    )
    settle = partial(wait_until_settled, place, seconds=OUTSIDE_SECONDS_MAX, skip_pauses="yes")
    try:
        run(with_connection(place, settle))
    finally:
        place.workers.pop().kill()

    assert killed.kills == 6
    assert killed.verdict.problems == []
    assert mail_problems(place, killed.load.history) == []


@pytest.mark.system
def test_redis_killed_and_starved_loses_and_doubles_nothing() -> None:
    """Limits are counted elsewhere while it is away: calls are granted meanwhile, and none is an error."""
    with installation(**WITH_REDIS) as own:
        own.start_outside("redis")
        for _number in range(2):
            own.start_web()
        own.wait_until_ready()
        # Only joining asks Redis, one call in sixteen.
        plan = Plan(seed=20_267, kills=6, apart=CLOSE, served=30, away=CLOSE)
        killed = kill_under_load(own, partial(own.break_outside, "redis"), plan, mark="quick-redis")
        said = "".join((own.folder / f"web{number}.log").read_text() for number in range(2))

    assert killed.kills == 6
    assert killed.verdict.problems == []
    assert killed.verdict.counts["ok"] >= 6 * 30
    assert "redis_left_alone" in said


async def refuse_safety(connection: Any, *, value: str) -> None:
    """Have the runtime role commit without waiting for the disk, or as it should."""
    await connection.execute(f"ALTER ROLE stempel_app SET synchronous_commit = {value}")


@pytest.mark.parametrize("name", ["web", "worker"])
def test_start_is_refused_where_a_commit_does_not_wait_for_the_disk(place: Installation, name: str) -> None:
    """synchronous_commit=off: the process ends at once and says why. With it on it starts: the other tests here."""
    run(with_connection(place, partial(refuse_safety, value="off")))
    try:
        started = place.forks.start(name, str(place.sock.fileno()), log=f"unsafe-{name}")
        started.wait_until_dead(DEAD_SECONDS_MAX)
    finally:
        run(with_connection(place, partial(refuse_safety, value="on")))

    said = (place.folder / f"unsafe-{name}.log").read_text()
    assert "PostgreSQL runs with synchronous_commit=off; an acknowledged stamp could be lost." in said


def test_control_the_checker_finds_what_was_lost_doubled_or_halved(place: Installation) -> None:
    """An acknowledged visit taken away, one written twice, an entry without its total: each is named."""
    killed = kill_under_load(place, nobody, Plan(seed=20_264, kills=1, apart=(0.5, 0.5)), mark="control")
    assert killed.verdict.problems == []
    stamps = [call for call in killed.load.history.calls if call.kind == "stamp" and call.outcome == "ok"]

    found = run(with_connection(place, partial(damage, history=killed.load.history, calls=stamps)))

    assert [one.split(" ")[1] for one in found.lost] == [stamps[0].key]
    assert any(stamps[1].key in one for one in found.doubled)
    assert any("the total of card" in one for one in found.halves)


def nobody(_dice: random.Random) -> None:
    """Kill nothing."""


async def damage(connection: Any, *, history: History, calls: list[Call]) -> Verdict:
    """Break three promises in a transaction that is never kept, and have the checker look."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("DELETE FROM idempotency_key WHERE key = $1", calls[0].key)
        await connection.execute("DELETE FROM visit WHERE idempotency_key = $1", calls[0].key)
        again = (
            "INSERT INTO idempotency_key SELECT merchant_id, 'again', key, fingerprint, answer, created_at "
        )
        await connection.execute(f"{again} FROM idempotency_key WHERE key = $1", calls[1].key)
        await connection.execute(
            "UPDATE pass_object SET stamp_count = stamp_count + 1"
            " WHERE id = (SELECT pass_id FROM visit WHERE idempotency_key = $1)",
            calls[2].key,
        )
        return await compare(history, connection)
    finally:
        await transaction.rollback()
