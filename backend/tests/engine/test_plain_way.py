"""The till's short way through the web layer: the same answers as FastAPI's, and clean connections behind it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db.session import RolledBack, set_tenant, tenant_scope
from app.kernel.hooks import Bound
from app.modules.stamps.models import StampEvent
from app.modules.visits.hooks import EARNED
from app.modules.visits.models import Visit

# Written like this the type is JSON to FastAPI, and a reason for the short way to stand aside.
SHORT, ORDINARY = "application/json", "Application/JSON"
VARYING = ("instance", "request_id", "trace_id")


async def ask(shop: Any, body: Any, kind: str, *, store: object = None, **headers: str) -> tuple[int, Any]:
    """Send a body and return status and answer without what differs from request to request."""
    answer = await shop.client.post(
        f"/stamp/{store or shop.store.id}",
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"content-type": kind, **headers},
    )
    said = answer.json()
    return answer.status_code, {key: value for key, value in said.items() if key not in VARYING}


# What is sent besides, or instead of, a good body; and the circumstances.
WRONG: dict[str, tuple[Any, dict[str, Any]]] = {
    "not JSON": (b"{", {}),
    "too deep": (b"[" * 3_000, {}),
    "a list": ([], {}),
    "nothing": (b"", {}),
    "a field too much": ({"more": 1}, {}),
    "no card": ({"pass_id": None}, {}),
    "quantity as text": ({"quantity": "1"}, {}),
    "no credential": ({"staff_pin": None}, {}),
    "an unknown store": ({}, {"store": UUID(int=1)}),
    "no store": ({}, {"store": "x"}),
    "an empty key": ({}, {"idempotency-key": ""}),
    "a long key": ({}, {"idempotency-key": "k" * 201}),
    "another site": ({}, {"origin": "https://evil.example"}),
    "a wrong API key": ({}, {"authorization": "Bearer nobody"}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_both_ways_refuse_alike(open_shop: Any, what: str) -> None:
    """The short way says word for word what FastAPI says, and nothing happens."""
    shop = await open_shop()
    more, circumstances = WRONG[what]
    good = {"pass_id": str((await shop.card()).id), "staff_pin": shop.pin}
    body = good | more if isinstance(more, dict) else more

    short = await ask(shop, body, SHORT, **circumstances)
    ordinary = await ask(shop, body, ORDINARY, **circumstances)

    assert short == ordinary
    assert short[0] >= 400
    assert await shop.count(Visit) == 0


async def test_both_ways_give_alike(open_shop: Any) -> None:
    """A stamp, its repetition and the refusal of the cooldown: the same by both ways."""
    shop = await open_shop(cooldown_minutes=10)
    answers = []
    for kind in (SHORT, ORDINARY):
        body = {"pass_id": str((await shop.card()).id), "staff_pin": shop.pin}
        told = [await ask(shop, body, kind, **{"idempotency-key": key}) for key in ("one", "one", "two")]
        answers.append([(status, said.get("stamp_count"), said.get("code")) for status, said in told])

    assert answers[0] == answers[1] == [(201, 1, None), (201, 1, None), (409, None, "too_soon")]
    assert await shop.count(StampEvent) == 2


async def test_a_hook_that_fails_undoes_the_stamp(open_shop: Any) -> None:
    """Nothing of the award is left, and the connection serves the next shop as a clean one."""

    def fail(_context: Any) -> None:
        raise RuntimeError("a hook's bug")

    shop, other = await open_shop(), await open_shop()
    card, foreign = await shop.card(), await other.card()
    bound = EARNED.bound
    EARNED.bind([*bound, Bound("visits", switchable=False, order=1, function=fail)])
    try:
        refused = await shop.stamp(card)
    finally:
        EARNED.bind(bound)

    assert refused.status_code == 500
    assert await shop.count(Visit) == 0
    assert (await other.stamp(foreign)).status_code == 201
    assert (await shop.row(card)).stamp_count == 0


async def test_a_plain_session_leaves_no_transaction_and_no_tenant(open_shop: Any, database: Any) -> None:
    """Left without a commit: what was written is gone, and whoever gets the connection sees nobody's rows."""
    shop = await open_shop()
    card = await shop.card()
    for _ in range(database.settings.database_pool_size):
        async with database.plain_sessions() as session:
            await set_tenant(session, shop.merchant.id)
            await session.execute(text("UPDATE pass_object SET stamp_count = 9"))

    async with database.plain_sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM pass_object")) == 0
    assert (await shop.row(card)).stamp_count == 0


async def test_a_commit_after_a_swallowed_failure_is_no_success(open_shop: Any, database: Any) -> None:
    """PostgreSQL answers such a COMMIT with ROLLBACK; that is an error here, not a stamp that was never given."""
    shop = await open_shop()
    async with database.plain_sessions() as session:
        await set_tenant(session, shop.merchant.id)
        with pytest.raises(Exception, match="division"):
            await session.execute(text("SELECT 1 / 0"))
        with pytest.raises(RolledBack):
            await session.commit()

    async with tenant_scope(database, shop.merchant.id) as session:
        assert await session.scalar(text("SELECT 1")) == 1
