"""The short way of an ordinary stamp: two statements without a session, as safe as the ordinary way."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db.direct import DirectConnections
from app.kernel.web.problems import is_busy
from app.modules.staff.models import PinAttempt
from app.modules.staff.rules import CARD_BURST
from app.modules.stamps.models import StampEvent
from app.modules.visits import statements
from app.modules.visits.models import Visit


async def warm(shop: Any) -> None:
    """Have the store and the PIN known to the process."""
    assert (await shop.stamp(await shop.card())).status_code == 201


async def test_a_plain_stamp_needs_no_session(open_shop: Any, monkeypatch: Any) -> None:
    """With the ordinary statements out of order it is given all the same, and all of it is written."""
    shop = await open_shop(cooldown_minutes=0)
    await warm(shop)
    card = await shop.card()
    for name in ("LOAD", "LOAD_WITH_PIN", "WRITE", "FIND"):
        monkeypatch.setattr(statements, name, "out of order")

    given = await shop.stamp(card, key="one")

    assert (given.status_code, given.json()["stamp_count"]) == (201, 1)
    assert (await shop.row(card)).stamp_count == 1
    assert await shop.count(Visit, pass_id=card.id) == await shop.count(StampEvent, pass_id=card.id) == 1
    assert await shop.violations() == []


async def test_behind_pgbouncer_the_ordinary_way_serves(
    open_shop: Any, database: Any, monkeypatch: Any
) -> None:
    """Without direct connections the answer is the same."""
    shop = await open_shop(cooldown_minutes=0)
    await warm(shop)
    short = (await shop.stamp(await shop.card(), key="one")).json()
    monkeypatch.setattr(database, "direct", None)
    monkeypatch.setattr(statements, "READ_AT_ONCE", "out of order")
    ordinary = (await shop.stamp(await shop.card(), key="one")).json()

    varying = {"visit_id", "pass_id", "next_possible_at"}
    assert {key: short[key] for key in short.keys() - varying} == {
        key: ordinary[key] for key in ordinary.keys() - varying
    }
    assert list(short) == list(ordinary)


async def fill_limit(shop: Any, card: Any) -> None:
    """Have so many wrong PINs behind the card that no further one is looked at."""
    for number in range(CARD_BURST.wrong_max):
        assert (await shop.stamp(card, staff_pin=f"00000{number}")).json()["code"] == "pin_wrong"


async def test_a_pin_that_is_not_looked_at_needs_no_session(open_shop: Any, monkeypatch: Any) -> None:
    """While the limits are full a wrong PIN and a remembered right one are refused by the same single read."""
    shop = await open_shop(cooldown_minutes=0)
    await warm(shop)
    card = await shop.card()
    await fill_limit(shop, card)
    for name in ("LOAD", "LOAD_WITH_PIN", "WRITE", "WRITE_AT_ONCE", "FIND"):
        monkeypatch.setattr(statements, name, "out of order")

    refused = [await shop.stamp(card, key="one", staff_pin=typed) for typed in (shop.pin, "999999")]

    assert [answer.json()["code"] for answer in refused] == ["pin_blocked"] * 2
    assert refused[0].content == refused[1].content
    assert await shop.count(PinAttempt, pass_id=card.id) == CARD_BURST.wrong_max
    assert await shop.count(Visit, pass_id=card.id) == 0


async def test_the_short_refusal_is_the_ordinary_one(open_shop: Any, database: Any, monkeypatch: Any) -> None:
    """Status, body and the moment to come back are those of the way with a session."""
    shop = await open_shop(cooldown_minutes=0)
    card = await shop.card()
    await fill_limit(shop, card)
    short = await shop.stamp(card, staff_pin="999999")
    monkeypatch.setattr(database, "direct", None)
    ordinary = await shop.stamp(card, staff_pin="999999")

    assert short.status_code == ordinary.status_code == 429
    assert short.content == ordinary.content
    assert short.headers["retry-after"] == ordinary.headers["retry-after"]


async def read(connection: Any, merchant_id: UUID, card_id: UUID, store_id: UUID) -> Any:
    """Run the reading statement as if it had been asked for this tenant."""
    arguments = (merchant_id, card_id, store_id, "stamp|card", None, b"", b"", datetime.now().astimezone())
    return await connection.fetchrow(statements.READ_AT_ONCE, *arguments)


async def test_the_statement_binds_its_own_tenant_and_nothing_after_it(open_shop: Any, database: Any) -> None:
    """One shop's card is read for that shop only, and the connection sees nobody's rows afterwards."""
    shop, other = await open_shop(), await open_shop()
    card = await shop.card()
    async with database.direct.acquire() as connection:
        own = await read(connection, shop.merchant.id, card.id, shop.store.id)
        foreign = await read(connection, other.merchant.id, card.id, shop.store.id)
        left = await connection.fetchval("SELECT count(*) FROM pass_object")

    assert own["id"] == card.id
    assert foreign is None
    assert left == 0


async def test_control_without_the_binding_nothing_is_read(
    open_shop: Any, database: Any, monkeypatch: Any
) -> None:
    """Row-level security stands in this way, too: it is the statement's binding that lets the row be seen."""
    binding = "(SELECT set_config('stempel.merchant_id', ($1::uuid)::text, true)) IS NOT NULL AND "
    assert binding in statements.READ_AT_ONCE
    monkeypatch.setattr(statements, "READ_AT_ONCE", statements.READ_AT_ONCE.replace(binding, ""))
    shop = await open_shop()
    card = await shop.card()
    async with database.direct.acquire() as connection:
        assert await read(connection, shop.merchant.id, card.id, shop.store.id) is None


async def test_a_refused_statement_leaves_a_good_connection(database: Any) -> None:
    """The next one gets the same connection, and it works."""
    with pytest.raises(asyncpg.PostgresError):
        async with database.direct.acquire() as connection:
            await connection.fetchval("SELECT 1 / 0")
    async with database.direct.acquire() as again:
        assert again is connection
        assert await again.fetchval("SELECT 1") == 1


async def test_a_line_that_the_server_ended_is_not_lent_again(database: Any) -> None:
    """The server says that it ends some time before the line is closed: in between nobody may get it."""
    last_words = {"S": "FATAL", "V": "FATAL", "C": "57P01", "M": "terminating connection"}
    with pytest.raises(asyncpg.AdminShutdownError):
        async with database.direct.acquire() as connection:
            raise asyncpg.PostgresError.new(last_words)

    assert connection.is_closed()
    async with database.direct.acquire() as again:
        assert again is not connection
        assert await again.fetchval("SELECT 1") == 1


def test_a_line_in_disorder_is_an_answer_to_try_again() -> None:
    """What the driver says of a line that was cut in the middle is no bug of ours: 503, not 500."""
    said = "cannot switch to state 12; another operation (2) is in progress"
    assert is_busy(asyncpg.InternalClientError(said))
    assert not is_busy(AssertionError("cannot switch"))


async def test_a_statement_given_up_costs_its_connection(database: Any) -> None:
    """Nobody gets a connection on which something may still be running."""
    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with database.direct.acquire() as connection:
            started.set_result(connection)
            await connection.fetchval("SELECT pg_sleep(30)")

    task = asyncio.create_task(wait())
    connection = await started
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert connection.is_closed()
    async with database.direct.acquire() as other:
        assert other is not connection
        assert await other.fetchval("SELECT 1") == 1


async def test_no_more_connections_than_the_pool_allows(database: Any, monkeypatch: Any) -> None:
    """Who comes when all are lent waits, and is told after a while."""
    monkeypatch.setattr("app.db.direct.WAIT_SECONDS", 0)
    direct = DirectConnections(database.settings.model_copy(update={"database_pool_size": 1}))
    async with direct.acquire():
        with pytest.raises(TimeoutError):
            async with direct.acquire():
                pytest.fail("a second connection was opened")
    await direct.aclose()
