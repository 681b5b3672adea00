"""A plan's mails: news too large for it is refused as a whole, and no mail beyond it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.billing.models import UsageMonth
from app.modules.billing.plans import Plan, Plans
from app.modules.billing.service import count_usage
from app.modules.merchants.factories import make_merchant
from app.modules.nudges.models import News
from app.modules.nudges.tests.test_messages import Shop as NewsShop
from app.modules.stores.factories import make_store


@pytest_asyncio.fixture(loop_scope="session")
async def newsroom(client: Any, process: Any, clock: Any) -> AsyncIterator[NewsShop]:
    """Return a shop that writes to two people; no plan is in effect until a test says so."""
    merchant = await make_merchant(process.database)
    made = NewsShop(client, process, clock, merchant, await make_store(process.database, merchant))
    for number in (1, 2):
        await made.card(number)
    yield made
    process.resources.put(Plans, Plans())


def limit_mails(shop: NewsShop, process: Any, most: int) -> None:
    """Put a plan into effect, for web and worker."""
    plans = Plans(default="small", plans={"small": Plan(title="Small", limits={"mails": most})})
    for resources in (process.resources, shop.job.resources):
        resources.put(Plans, plans)


async def test_news_too_large_for_the_plan_is_refused_whole(newsroom: NewsShop, process: Any) -> None:
    """Two readers, room for one: nobody is written to, and the draft is still there."""
    path = await newsroom.news()
    limit_mails(newsroom, process, 1)
    answer = await newsroom.page(f"{path}/send", {})
    said = await newsroom.client.get(answer.headers["location"])

    assert (answer.status_code, said.status_code) == (303, 200)
    assert "Your plan has no room for one more." in said.text
    async with tenant_scope(process.database, newsroom.merchant.id) as session:
        assert await session.scalar(select(News.status)) == "draft"
    assert await newsroom.mails() == []


async def test_news_that_fits_is_sent(newsroom: NewsShop, process: Any) -> None:
    """Two readers, room for two: both are written to, and the month counts two."""
    path = await newsroom.news()
    limit_mails(newsroom, process, 2)
    await newsroom.send_news(path)
    await newsroom.deliver()

    assert sorted(newsroom.post.recipients) == ["anna1@example.com", "anna2@example.com"]
    async with tenant_scope(process.database, newsroom.merchant.id) as session:
        kept = await session.scalar(select(UsageMonth.used).where(UsageMonth.meter == "mails"))
        await count_usage(session, newsroom.merchant.id, now=newsroom.clock.at)
        counted = await session.scalar(select(UsageMonth.used).where(UsageMonth.meter == "mails"))
    assert (kept, counted) == (2, 2)


async def test_a_mail_beyond_the_plan_does_not_leave(newsroom: NewsShop, process: Any) -> None:
    """Two mails wait, the plan shrinks to one: one leaves, the other is put aside with the reason."""
    await newsroom.send_news(await newsroom.news())
    limit_mails(newsroom, process, 1)
    await newsroom.deliver()

    found = sorted((row.status, row.failure or "") for row in await newsroom.mails())
    assert len(newsroom.post.recipients) == 1
    assert found == [("sent", ""), ("suppressed", "plan_limit")]


async def test_a_mail_that_waits_is_not_counted(newsroom: NewsShop, process: Any) -> None:
    """Room for two, two mails looked at three times in the quiet hours: nothing is used, and both leave."""
    await newsroom.send_news(await newsroom.news())
    limit_mails(newsroom, process, 2)
    newsroom.clock.advance(hours=11)  # 21:00
    for _look in range(3):
        await newsroom.deliver()
    async with tenant_scope(process.database, newsroom.merchant.id) as session:
        waiting = await session.scalar(select(UsageMonth.used).where(UsageMonth.meter == "mails"))
    held = [row.status for row in await newsroom.mails()]
    newsroom.clock.advance(hours=13)  # 10:00
    await newsroom.deliver()
    async with tenant_scope(process.database, newsroom.merchant.id) as session:
        left = await session.scalar(select(UsageMonth.used).where(UsageMonth.meter == "mails"))

    assert (waiting or 0, held) == (0, ["waiting", "waiting"])
    assert [row.status for row in await newsroom.mails()] == ["sent", "sent"]
    assert left == 2
