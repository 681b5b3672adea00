"""News: shown whom it reaches, sent to them once, and to nobody who withdrew the consent meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.accounts.factories import make_member
from app.modules.customers.factories import make_agreed_crowd
from app.modules.customers.public import record_consent
from app.modules.merchants.factories import make_merchant
from app.modules.nudges import jobs
from app.modules.nudges.models import News
from app.modules.nudges.tests.world import Shop
from app.modules.stores.factories import make_store


async def test_news_shows_whom_it_reaches_and_goes_to_them_once(shop: Shop) -> None:
    """Of five, one did not agree and one had a message this week: three are counted, three get it, by two workers."""
    for number in range(1, 4):
        await shop.card(number)
    await shop.card(4, email_consent=False)
    await shop.full_card(5)
    await shop.round()
    path = await shop.news()
    shown = await shop.page(path)
    assert "Send to 3 customers" in shown.text
    assert "1 more had a message" in shown.text
    assert len(await shop.mails()) == 1, "a draft sends nothing"
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    news_id = path.rpartition("/")[2]
    await asyncio.gather(*(jobs.send_news(shop.job, news_id=news_id) for _worker in range(2)))
    await shop.page(f"{path}/send", {})
    await jobs.send_news(shop.job, news_id=news_id)
    await shop.deliver()
    expected = [f"anna{number}@example.com" for number in (1, 2, 3, 5)]
    assert sorted(shop.post.recipients) == expected
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = (await session.scalars(select(News))).one()
    assert (row.status, row.queued, row.rested) == ("sent", 3, 1)


@pytest.mark.parametrize(("is_limited", "numbers"), [(True, [1]), (False, [1, 2])])
async def test_who_is_limited_to_a_store_writes_to_its_customers_only(
    shop: Shop, is_limited: bool, numbers: list[int]
) -> None:
    """Of two stores with a customer each, only the own one's gets it. The control: a manager of both reaches both."""
    await shop.card(1)
    own, shop.store = shop.store, await make_store(shop.database, shop.merchant)
    await shop.card(2)
    store_ids = (own.id,) if is_limited else ()
    owner, shop.merchant = (
        shop.merchant,
        await make_member(shop.database, shop.merchant.id, "manager", store_ids=store_ids),
    )
    await shop.send_news(await shop.news())
    shop.merchant = owner
    await shop.deliver()
    assert sorted(shop.post.recipients) == [f"anna{number}@example.com" for number in numbers]


async def test_another_shops_news_is_not_found(shop: Shop) -> None:
    """A foreign id shows nothing and sends nothing."""
    path = await shop.news()
    own = shop.merchant
    shop.merchant = await make_merchant(shop.database)
    assert (await shop.page(path)).status_code == 404
    assert (await shop.page(f"{path}/send", {})).status_code == 404
    shop.merchant = own
    async with tenant_scope(shop.database, own.id) as session:
        assert (await session.scalars(select(News.status))).one() == "draft"


CROWD = 1_000


@pytest.mark.parametrize(("is_withdrawn", "sent"), [(True, 0), (False, CROWD)])
async def test_consent_withdrawn_between_queueing_and_sending(
    shop: Shop, is_withdrawn: bool, sent: int
) -> None:
    """A thousand mails wait; consent is withdrawn; none is sent. The control: with consent all are."""
    ids = await make_agreed_crowd(shop.database, shop.merchant, CROWD, now=shop.clock.now())
    path = await shop.news()
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    await shop.work("nudges")
    assert {(row.status, row.customer_id) for row in await shop.mails()} == {("waiting", one) for one in ids}
    assert shop.post.recipients == []
    if is_withdrawn:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            for customer_id in ids:
                await record_consent(
                    session, shop.merchant.id, customer_id, given=False, source="test", now=shop.clock.now()
                )
    done = await shop.work("messaging", limit=2 * CROWD)
    assert done.done >= CROWD
    assert len(shop.post.recipients) == len(set(shop.post.recipients)) == sent
    expected = {("suppressed", "no_consent")} if is_withdrawn else {("sent", None)}
    assert {(row.status, row.failure) for row in await shop.mails()} == expected
    assert len(await shop.mails()) == CROWD
