"""Small files are made by the web process itself, so few at a time: the rest of its time is for stamps."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.permissions import Principal
from app.modules.exports import service
from app.modules.exports.service import AT_ONCE_MAX, MadeFile, OrderedFile, order_file
from app.modules.exports.writing import WRITERS
from app.modules.merchants.factories import MadeMerchant, make_merchant
from tests.waiting import Meeting, Signal

ORDERS = 4


async def order(database: Database, clock: FixedClock, merchant: MadeMerchant) -> Any:
    """Order a small file."""
    scopes = frozenset({"customers.export"})
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner", scopes=scopes)
    async with tenant_scope(database, merchant.id) as session:
        return await order_file(session, owner, key="customers", form="csv", now=clock.now())


async def test_of_a_shops_small_files_one_is_made_at_once(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is being made the next three are the worker's; afterwards one is made at once again."""
    merchant = await make_merchant(database)
    others_ordered, ordered, write = Signal(), [], WRITERS["csv"]

    async def write_slowly(*given: Any) -> int:
        await others_ordered.wait()
        return await write(*given)

    async def one() -> Any:
        outcome = await order(database, clock, merchant)
        if isinstance(outcome, OrderedFile):
            ordered.append(outcome)
        if len(ordered) == ORDERS - 1:
            others_ordered.set()
        return outcome

    monkeypatch.setitem(WRITERS, "csv", write_slowly)
    outcomes = await asyncio.gather(*(one() for _number in range(ORDERS)))

    assert sum(isinstance(outcome, MadeFile) for outcome in outcomes) == 1
    assert len(ordered) == ORDERS - 1
    assert isinstance(await order(database, clock, merchant), MadeFile)


async def test_control_without_the_limit_all_are_made_at_once(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where any number may be, all of them keep the web process busy together."""
    merchant = await make_merchant(database)
    all_at_work, write = Meeting(ORDERS), WRITERS["csv"]

    async def write_together(*given: Any) -> int:
        await all_at_work.wait()
        return await write(*given)

    monkeypatch.setitem(WRITERS, "csv", write_together)
    monkeypatch.setattr(service, "_may_make_at_once", lambda _merchant_id: True)
    outcomes = await asyncio.gather(*(order(database, clock, merchant) for _number in range(ORDERS)))

    assert {type(outcome) for outcome in outcomes} == {MadeFile}


async def test_other_shops_files_count_as_well(database: Database, clock: FixedClock) -> None:
    """With as many under way as a process makes, the next shop's is the worker's."""
    merchant = await make_merchant(database)
    with ExitStack() as under_way:
        for _number in range(AT_ONCE_MAX):
            under_way.enter_context(service._making_at_once(uuid4()))
        outcome = await order(database, clock, merchant)

    assert isinstance(outcome, OrderedFile)
