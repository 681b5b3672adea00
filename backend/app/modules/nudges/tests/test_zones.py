"""Quiet hours by the clock of the customer's own store, over changes of the clock; one message a week of any kind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.jobs import TryAgain
from app.modules.cards.factories import make_card
from app.modules.customers.public import Birthday
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.jobs import send_marketing
from app.modules.nudges import jobs, service
from app.modules.nudges.models import News
from app.modules.nudges.rules import quiet_until
from app.modules.nudges.tests.world import Shop
from app.modules.stores.factories import make_store
from app.modules.wallets.messages.models import WalletMessage

# Eleven hours behind Luxembourg in winter: when one of them wakes up the other goes to sleep.
FAR = "Pacific/Honolulu"


@pytest.fixture
async def shop(client: Any, process: Any, clock: Any) -> Shop:
    merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg")
    store = await make_store(process.database, merchant)
    return Shop(client, process, clock, merchant, store)


async def two_zones(shop: Shop, **over: Any) -> None:
    """Give the shop a branch far away; one customer of each has a full card."""
    far = await make_store(shop.database, shop.merchant, name="Far", time_zone=FAR)
    for number, store in ((1, shop.store), (2, far)):
        await make_card(
            shop.database,
            store,
            name="Anna",
            email=f"anna{number}@example.com",
            email_consent=True,
            verified=True,
            stamps=10,
            columns={"reward_unlocked": True, "last_visit_at": shop.clock.now() - timedelta(hours=3)},
            **over,
        )


def until(shop: Shop, moment: datetime) -> None:
    """Let the time come."""
    shop.clock.advance(seconds=(moment - shop.clock.now()).total_seconds())


async def recipients(shop: Shop) -> list[str | None]:
    return [row.recipient for row in await shop.mails()]


async def test_each_store_has_its_own_night(shop: Shop) -> None:
    """At 10:00 in Luxembourg it is 23:00 in Honolulu: one is written to now, the other when its store wakes up."""
    await two_zones(shop)
    await shop.round()
    assert await recipients(shop) == ["anna1@example.com"]
    until(shop, datetime(2026, 11, 20, 18, 59, tzinfo=UTC))  # 8:59 there
    await shop.round()
    assert await recipients(shop) == ["anna1@example.com"]
    until(shop, datetime(2026, 11, 20, 19, 0, tzinfo=UTC))  # 9:00 there, 20:00 here
    await shop.round()
    assert await recipients(shop) == ["anna1@example.com", "anna2@example.com"]


async def test_at_the_moment_of_sending_the_home_store_decides(shop: Shop) -> None:
    """Both mails were written while both were awake; in the far night one waits until nine there."""
    await two_zones(shop)
    form = {"quiet_from": "00:00", "quiet_to": "00:00"}
    assert (await shop.page("/quiet", form)).status_code == 303
    await shop.round()
    mails = {row.recipient: row.id for row in await shop.mails()}
    assert len(mails) == 2
    assert (await shop.page("/quiet", {"quiet_from": "20:00", "quiet_to": "09:00"})).status_code == 303
    await send_marketing(shop.job, message_id=mails["anna1@example.com"])
    with pytest.raises(TryAgain) as waits:
        await send_marketing(shop.job, message_id=mails["anna2@example.com"])
    assert shop.post.recipients == ["anna1@example.com"]
    assert waits.value.after is not None
    # Ten hours until nine there, and a spread of at most some minutes.
    assert timedelta(hours=10) < waits.value.after < timedelta(hours=10, minutes=4)


async def test_news_waits_for_the_morning_zone_by_zone_also_on_the_card(shop: Shop) -> None:
    """Sent at ten here: the far customers, their phones included, hear of it at nine there, and everybody once."""
    await two_zones(shop)
    path = await shop.news()
    await shop.send_news(path)
    assert await recipients(shop) == ["anna1@example.com"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await session.scalars(select(News.status))).one() == "sending"
        assert len((await session.scalars(select(WalletMessage))).all()) == 1
    until(shop, datetime(2026, 11, 20, 19, 0, tzinfo=UTC))
    for _batch in range(3):
        await jobs.send_news(shop.job, news_id=path.rpartition("/")[2])
    assert await recipients(shop) == ["anna1@example.com", "anna2@example.com"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = (await session.scalars(select(News))).one()
        assert (row.status, row.queued, row.rested) == ("sent", 2, 0)
        assert len((await session.scalars(select(WalletMessage))).all()) == 2


async def test_news_comes_back_by_itself_when_the_night_ends(shop: Shop) -> None:
    """At night nothing is written; the job is parked until nine by the store's clock and then goes to its end."""
    await shop.card(1)
    path = await shop.news()
    until(shop, datetime(2026, 11, 20, 21, 0, tzinfo=UTC))
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        from app.kernel.permissions import Principal
        from app.modules.nudges.broadcasts.service import begin_sending, send_batch

        news_id = (await session.scalars(select(News.id))).one()
        owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
        assert await begin_sending(session, owner, news_id, now=shop.clock.now()) is None
        again = await send_batch(session, shop.merchant.id, news_id, now=shop.clock.now())
    assert again == datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert await shop.mails() == []
    until(shop, again)
    await jobs.send_news(shop.job, news_id=path.rpartition("/")[2])
    assert await recipients(shop) == ["anna1@example.com"]


async def test_a_birthday_is_the_day_at_the_home_store(shop: Shop) -> None:
    """When the day begins in Luxembourg it is still yesterday in Honolulu: each hears of it on the own 21st."""
    far = await make_store(shop.database, shop.merchant, name="Far", time_zone=FAR)
    for number, store in ((1, shop.store), (2, far)):
        await make_card(
            shop.database,
            store,
            email=f"anna{number}@example.com",
            email_consent=True,
            verified=True,
            birthday=Birthday(21, 11),
        )
    until(shop, datetime(2026, 11, 20, 22, 0, tzinfo=UTC))  # 23:00 on the 20th here, noon on the 20th there
    await shop.round()
    assert await recipients(shop) == []
    until(shop, datetime(2026, 11, 21, 8, 0, tzinfo=UTC))  # 9:00 here, 22:00 on the 20th there
    await shop.round()
    assert await recipients(shop) == ["anna1@example.com"]
    until(shop, datetime(2026, 11, 21, 19, 0, tzinfo=UTC))  # 9:00 on the 21st there
    await shop.round()
    assert await recipients(shop) == ["anna1@example.com", "anna2@example.com"]


@pytest.mark.parametrize(
    ("now", "begin", "end", "until"),
    [
        # Luxembourg, 28 to 29 March 2026: the night is an hour shorter. Quiet until 9:00, which is 7:00 UTC.
        ((2026, 3, 28, 19, 0), time(20), time(9), (2026, 3, 29, 7, 0)),
        ((2026, 3, 29, 6, 59), time(20), time(9), (2026, 3, 29, 7, 0)),
        ((2026, 3, 29, 7, 0), time(20), time(9), None),
        # An end at 2:30, an hour that does not exist that night: nothing is quiet from 3:00 on.
        ((2026, 3, 29, 0, 59), time(22), time(2, 30), (2026, 3, 29, 1, 30)),
        ((2026, 3, 29, 1, 0), time(22), time(2, 30), None),
        # 24 to 25 October 2026: the hour from 2:00 to 3:00 comes twice.
        ((2026, 10, 24, 18, 0), time(20), time(9), (2026, 10, 25, 8, 0)),
        ((2026, 10, 25, 7, 59), time(20), time(9), (2026, 10, 25, 8, 0)),
        ((2026, 10, 25, 8, 0), time(20), time(9), None),
        ((2026, 10, 25, 0, 30), time(22), time(2, 30), None),
        # The second 2:15 of that night is quiet once more.
        ((2026, 10, 25, 1, 15), time(22), time(2, 30), (2026, 10, 25, 1, 30)),
    ],
)
def test_quiet_hours_over_a_change_of_the_clock(now: Any, begin: time, end: time, until: Any) -> None:
    """Nine is nine by the clock on the wall; an end never lies in the past."""
    found = quiet_until(datetime(*now, tzinfo=UTC), zone="Europe/Luxembourg", begin=begin, end=end)
    assert found == (datetime(*until, tzinfo=UTC) if until else None)


async def everything_at_once(shop: Shop) -> list[str]:
    """Let a full card, a birthday and two news fall on one customer, each written by workers of their own."""
    await shop.full_card(birthday=Birthday(20, 11))
    paths = [await shop.news(subject=f"News {number}") for number in range(2)]
    for path in paths:
        assert (await shop.page(f"{path}/send", {})).status_code == 303
    await asyncio.gather(
        *(shop.round() for _worker in range(2)),
        *(
            jobs.send_news(shop.job, news_id=path.rpartition("/")[2])
            for path in paths
            for _worker in range(2)
        ),
    )
    return await shop.kinds()


async def test_one_message_a_week_over_all_kinds_with_many_workers(shop: Shop) -> None:
    """Six workers with four reasons to write: one mail; the next one after seven days, to the second."""
    assert len(await everything_at_once(shop)) == 1
    shop.clock.advance(days=7, seconds=-1)
    later = await shop.news(subject="Later")
    await shop.send_news(later)
    assert len(await shop.kinds()) == 1
    shop.clock.advance(seconds=1)
    await shop.send_news(await shop.news(subject="A week later"))
    assert (await shop.kinds())[1:] == ["promotion"]


async def test_control_without_the_slot_several_kinds_are_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the week's slot taken away, the same workers write one mail for each reason."""

    async def always(*_args: Any, **_more: Any) -> bool:
        return True

    monkeypatch.setattr(service, "take_slot", always)
    assert len(await everything_at_once(shop)) >= 3
