"""Promotions and new collections can be switched off: not written, not sent, and a sending under way ends."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.nudges import jobs
from app.modules.nudges.broadcasts import service as broadcasts
from app.modules.nudges.models import News
from app.modules.nudges.tests.world import Shop


async def states(shop: Shop) -> list[tuple[str, str, int]]:
    """Return the kind, state and number of mails of every news, oldest first."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.execute(select(News.kind, News.status, News.queued).order_by(News.id))
        return [tuple(row) for row in rows]


async def test_a_kind_switched_off_can_be_neither_chosen_nor_written(shop: Shop) -> None:
    """The page offers the other kind only; a form that names it all the same keeps nothing."""
    assert (await shop.page("/automatic/promotion/off", {})).status_code == 303

    composer = (await shop.page("/new")).text
    form = {"kind": "promotion", "subject": "Sale", "text": "Come."}
    answer = await shop.page("/new", form)

    assert 'value="promotion"' not in composer
    assert 'value="new_collection"' in composer
    assert answer.headers["location"] == "/dashboard/messages"
    assert await states(shop) == []


async def test_a_draft_of_a_kind_switched_off_is_not_sent(shop: Shop) -> None:
    """It stays a draft without a button to send it, and goes once the kind is on again."""
    await shop.card()
    path = await shop.news()
    await shop.page("/automatic/promotion/off", {})

    shown = (await shop.page(path)).text
    await shop.send_news(path)

    assert "Messages of this kind are switched off." in shown
    assert f"{path}/send" not in shown
    assert (await states(shop), await shop.mails()) == ([("promotion", "draft", 0)], [])
    await shop.page("/automatic/promotion/on", {})
    await shop.send_news(path)
    assert await states(shop) == [("promotion", "sent", 1)]


async def test_the_other_kind_goes_on(shop: Shop) -> None:
    """Switching promotions off leaves new collections alone."""
    await shop.card()
    await shop.page("/automatic/promotion/off", {})
    await shop.send_news(await shop.news(kind="new_collection"))

    assert await states(shop) == [("new_collection", "sent", 1)]


async def test_switching_off_ends_a_sending_under_way(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not been written to is not: one of three got it."""
    monkeypatch.setattr(broadcasts, "BATCH", 1)
    for number in (1, 2, 3):
        await shop.card(number)
    path = await shop.news()
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    await one_batch(shop)
    await shop.page("/automatic/promotion/off", {})

    await jobs.send_news(shop.job, news_id=path.rpartition("/")[2])

    assert await states(shop) == [("promotion", "sent", 1)]
    assert len(await shop.mails()) == 1


async def one_batch(shop: Shop) -> None:
    """Let the job write to the first person only."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        news_id = (await session.scalars(select(News.id))).one()
        assert await broadcasts.send_batch(session, shop.merchant.id, news_id, now=shop.clock.now())
