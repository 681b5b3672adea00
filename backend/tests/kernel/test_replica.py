"""When a replica may answer: the lag by the primary's own place in the log, and one that is not there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.replica import Lag, add_replica, read_with, reading_scope
from app.db.session import Database, set_tenant
from app.modules.merchants.factories import make_merchant

MERCHANTS = text("SELECT count(*) FROM merchant")


@pytest.mark.parametrize(
    ("place", "allowed"),
    [(99, False), (100, False), (149, False), (150, True), (200, True)],
)
def test_a_replica_must_have_passed_where_the_primary_was(place: int, allowed: bool) -> None:
    """Ten seconds allowed: at 21 s it must have what the primary had at 11 s, not what it has now."""
    lag = Lag(10)
    for at, primary in ((0.0, 100), (5.0, 120), (11.0, 150), (15.0, 180), (21.0, 200)):
        lag.add(at, primary)

    assert lag.allows(place) is allowed


def test_one_that_stands_still_with_a_still_primary_is_fresh() -> None:
    """At night nothing is written: the last place is the right one however long ago."""
    lag = Lag(10)
    for at in range(100):
        lag.add(float(at), 100)

    assert lag.allows(100)
    assert not lag.allows(99)


def test_before_anything_is_known_nothing_is_allowed() -> None:
    """No sample, no replica; the first one must be reached in full."""
    lag = Lag(10)
    assert not lag.allows(1_000)
    assert lag.needs_sample(0.0)
    lag.add(0.0, 100)
    assert not lag.allows(99)
    assert lag.allows(100)
    assert not lag.needs_sample(0.4)
    assert lag.needs_sample(0.6)


async def test_without_an_answer_the_primary_answers(settings: Settings, process: Any) -> None:
    """A replica that is not there costs one try; figures and exports come from the primary, bound to their merchant."""
    away = "postgresql://stempel_app:app@127.0.0.1:9/stempel"
    database = Database(settings.model_copy(update={"database_replica_url": away}))
    add_replica(database)
    database.sessions.configure(info={"resources": process.resources})
    merchant = await make_merchant(process.database)
    try:
        assert database.replica is not None
        async with database.sessions() as session:
            await set_tenant(session, merchant.id)
            usable = await database.replica.is_usable(session)
        async with reading_scope(database, merchant.id) as session:
            by_a_job = await session.scalar(MERCHANTS)

        async def read(session: Any) -> int:
            return int(await session.scalar(MERCHANTS))

        async with process.database.sessions() as session:
            await set_tenant(session, merchant.id)
            by_a_page = await read_with(session, merchant.id, read)
    finally:
        await database.aclose()

    assert usable is False
    assert (by_a_job, by_a_page) == (1, 1)
