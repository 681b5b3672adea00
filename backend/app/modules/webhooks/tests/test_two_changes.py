"""Two changes of a shop's addresses at once: what each wants to be told is told."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.modules.webhooks import endpoints
from app.modules.webhooks.endpoints import switch_endpoint
from app.modules.webhooks.tests.conftest import Shop

pytestmark = pytest.mark.usefixtures("clock_at_start")
WAIT_SECONDS = 30


async def _switched_on_at_once(shop: Shop) -> set[str]:
    """Switch two addresses on, the second before the first has committed; return what visits are asked to tell."""
    visits, cards = await shop.endpoint("visit.given"), await shop.endpoint("card.joined")
    for endpoint_id in (shop.endpoint_id, visits, cards):
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await switch_endpoint(session, shop.owner, endpoint_id, is_on=False, now=shop.clock.at)

    async def second() -> None:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await switch_endpoint(session, shop.owner, cards, is_on=True, now=shop.clock.at)

    async with asyncio.timeout(WAIT_SECONDS):
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await switch_endpoint(session, shop.owner, visits, is_on=True, now=shop.clock.at)
            other = asyncio.create_task(second())
            while not await session.scalar(_WAITS_FOR_LOCK):
                await asyncio.sleep(0.02)
        await other
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rules = await session.scalar(text("SELECT feature_rules -> 'webhooks' FROM merchant"))
    return set(rules["events"])


_WAITS_FOR_LOCK = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def test_two_switched_on_at_once_are_both_told(shop: Shop) -> None:
    """The second waits for the first and knows of it."""
    assert await _switched_on_at_once(shop) == {"visit.given", "card.joined"}


async def test_without_the_lock_the_second_forgets_the_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: visits would never be told."""
    monkeypatch.setattr(endpoints, "_ONE_AT_A_TIME", text("SELECT CAST(:id AS uuid)"))
    assert await _switched_on_at_once(shop) == {"card.joined"}
