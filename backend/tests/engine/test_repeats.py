"""A retry is safe: one key is one event and one answer, however often, and nobody's death keeps it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from app.db.migrate import ROLE_SETTINGS
from app.kernel.idempotency import IdempotencyKey
from app.kernel.jobs import JobContext
from app.kernel.upkeep import forget_keys
from app.modules.stamps.models import StampEvent
from app.modules.visits.models import Visit

REPEATS, AT_ONCE = 1_000, 50
SECONDS_MAX = 120
# promises.md 2; the database ends what a silent process holds after half of it.
FREE_SECONDS_MAX = 60


async def test_a_thousand_repeats_fifty_at_once_are_one_event_and_one_answer(open_shop: Any) -> None:
    """Every one of them is answered, with the same words; there is one visit, one entry, one stamp."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    places = asyncio.Semaphore(AT_ONCE)

    async def repeat() -> tuple[int, str]:
        async with places:
            answer = await shop.stamp(card, key="again-and-again")
            while answer.status_code == 503:  # a busy machine says so, and a client asks again
                answer = await shop.stamp(card, key="again-and-again")
            return answer.status_code, answer.text

    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(repeat() for _number in range(REPEATS)))

    assert {status for status, _text in answers} == {201}
    assert len({text for _status, text in answers}) == 1
    assert await shop.count(Visit, pass_id=card.id) == await shop.count(StampEvent, pass_id=card.id) == 1
    assert (await shop.row(card)).stamp_count == 1


async def test_control_without_a_key_each_repeat_is_a_stamp(open_shop: Any) -> None:
    """It is the key that makes them one."""
    shop = await open_shop(cooldown_minutes=0, stamps_needed=50, visits_per_day=100)
    card = await shop.card()
    for _number in range(3):
        assert (await shop.stamp(card)).status_code == 201

    assert (await shop.row(card)).stamp_count == 3


async def test_another_body_under_the_key_is_refused_and_does_nothing(open_shop: Any) -> None:
    """422 key_reused; the first answer still comes for the first body."""
    shop = await open_shop(cooldown_minutes=0, stamps_per_visit=5)
    card = await shop.card()
    first = await shop.stamp(card, key="one")
    other = await shop.stamp(card, key="one", quantity=2)
    again = await shop.stamp(card, key="one")

    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert again.text == first.text
    assert (await shop.row(card)).stamp_count == 1


async def test_a_key_answers_for_a_day_and_is_forgotten_after_two(
    open_shop: Any, clock: Any, process: Any
) -> None:
    """The worker's hourly turn leaves it alone until it is 48 hours old; promised are 24."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    work = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    first = await shop.stamp(card, key="kept")
    clock.advance(hours=24)
    await forget_keys.run(work)
    again = await shop.stamp(card, key="kept")
    assert again.text == first.text
    clock.advance(hours=23, minutes=59)
    await forget_keys.run(work)
    assert await shop.count(IdempotencyKey, key="kept") == 1
    clock.advance(minutes=2)
    await forget_keys.run(work)

    assert await shop.count(IdempotencyKey, key="kept") == 0
    assert await shop.count(Visit, pass_id=card.id) == 1


async def hold_key(shop: Any, card: Any, *, silence: str) -> asyncpg.Connection[Any]:
    """Claim a stamp's key as a process does that stops in the middle. silence: how long it may say nothing."""
    connection = await asyncpg.connect(shop.database.settings.database_url.replace("+asyncpg", ""))
    await connection.execute(f"SET idle_in_transaction_session_timeout = '{silence}'")
    await connection.execute("BEGIN")
    await connection.execute("SELECT set_config('stempel.merchant_id', $1, true)", str(shop.merchant.id))
    await connection.execute(
        "INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)"
        " VALUES ($1, $2, 'held', '', '{}', now())",
        shop.merchant.id,
        f"stamp|card:{card.id}",
    )
    return connection


async def test_a_key_held_by_a_dead_process_is_free_again(open_shop: Any) -> None:
    """Killed: its line is cut and the claim is undone; the next request with the key is granted."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    held = await hold_key(shop, card, silence="30s")
    held.terminate()

    assert (await shop.stamp(card, key="held")).status_code == 201
    assert await shop.count(IdempotencyKey, key="held") == 1


async def test_a_key_held_by_a_process_that_stands_still_is_free_within_a_minute(open_shop: Any) -> None:
    """Frozen, its line still open: the database ends its transaction, after half a minute in the product."""
    minutes_half = int(ROLE_SETTINGS["idle_in_transaction_session_timeout"].removesuffix("s"))
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    held = await hold_key(shop, card, silence="500ms")
    try:
        assert (await shop.stamp(card, key="held")).status_code == 201
    finally:
        held.terminate()

    assert minutes_half <= FREE_SECONDS_MAX
    # The next writer waits for the lock at most so long, and is told to come again: it adds to the wait.
    assert minutes_half + int(ROLE_SETTINGS["lock_timeout"].removesuffix("s")) <= FREE_SECONDS_MAX


async def test_control_where_silence_is_allowed_the_key_stays_held(open_shop: Any) -> None:
    """Without that limit nobody gets the key: 503, and no stamp."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    held = await hold_key(shop, card, silence="0")
    try:
        answer = await shop.stamp(card, key="held")
    finally:
        held.terminate()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await shop.row(card)).stamp_count == 0
