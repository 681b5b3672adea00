"""What a closing asks for besides the password, and what it says to members, holders and readers."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest_asyncio
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.points import CARD_BLOCK, CardContext
from app.modules.closing import guards
from app.modules.closing.guards import FEATURE
from app.modules.closing.service import find_closing
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import set_feature_rules
from app.modules.nudges.broadcasts.service import send_batch
from app.modules.nudges.models import NudgeSlot
from app.modules.nudges.tests.test_messages import Shop as NewsShop
from app.modules.second_factor.tests.conftest import CODE, Person
from app.modules.second_factor.tests.software_key import SoftwareKey
from app.modules.stores.factories import make_store
from app.modules.wallets.messages.models import WalletMessage
from app.modules.wallets.public import PASS_FIELDS
from app.process import Process
from app.utils.id_generator import new_id

from .test_closing import PAGE, Shop, shop

__all__ = ["shop"]


async def test_an_owner_with_an_app_gives_its_code(
    process: Process, clock: FixedClock, client: httpx2.AsyncClient
) -> None:
    """The password alone closes nothing; with the code of this moment it does, and the same code twice does not."""
    merchant = await make_merchant(process.database)
    client.cookies.update(merchant.cookies)
    owner = Person(client, merchant, clock)
    await owner.set_up_app()
    form = {"name": merchant.name, "password": merchant.password}
    without = await owner.post(PAGE, page=PAGE, **form)
    wrong = await owner.post(PAGE, page=PAGE, code="000000", **form)
    async with tenant_scope(process.database, merchant.id) as session:
        assert await find_closing(session, merchant.id) is None
    right = await owner.post(PAGE, page=PAGE, code=owner.code(), **form)

    assert (without.status_code, wrong.status_code, right.status_code) == (422, 422, 303)
    async with tenant_scope(process.database, merchant.id) as session:
        assert await find_closing(session, merchant.id) is not None


async def test_an_owner_with_a_passkey_only_gives_a_recovery_code(
    process: Process, clock: FixedClock, client: httpx2.AsyncClient
) -> None:
    """Without an app the page asks for a recovery code, and the password alone closes nothing."""
    merchant = await make_merchant(process.database)
    client.cookies.update(merchant.cookies)
    owner = Person(client, merchant, clock)
    codes = CODE.findall((await owner.add_passkey(SoftwareKey())).text)
    page = await client.get(PAGE)
    form = {"name": merchant.name, "password": merchant.password}
    without = await owner.post(PAGE, page=PAGE, **form)
    right = await owner.post(PAGE, page=PAGE, code=codes[0], **form)

    assert "One of your recovery codes" in page.text
    assert (without.status_code, right.status_code) == (422, 303)


async def test_members_and_cards_say_so(shop: Shop) -> None:  # noqa: F811
    """The home page and the owner's page name the last day, and so do the card's page and the pass."""
    assert (await shop.close()).status_code == 303
    home = await shop.client.get("/dashboard", headers=shop.merchant.headers)
    page = await shop.client.get(PAGE, headers=shop.merchant.headers)
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        context = CardContext(session, shop.merchant.id, shop.card.id, "en", shop.clock.at)
        block = (await CARD_BLOCK.gather(context))[0]
        field = next(field for field in await PASS_FIELDS.gather(context) if field.key == "closing")

    shop.client.cookies.clear()
    own = await shop.client.get(f"/card/{shop.card.id}?t={shop.card.token}", follow_redirects=True)

    last_day = "20 Dec 2026"
    assert 0 < own.text.find("This shop has closed") < own.text.find('id="card-state"')
    assert all("It can be opened again until" in answer.text for answer in (home, page))
    assert (block.title, block.context["until"]) == ("This shop has closed", last_day)
    assert (field.place, str(field.value).endswith(f"until {last_day}.")) == ("back", True)


async def test_an_open_shop_says_nothing(shop: Shop) -> None:  # noqa: F811
    """Without a closing there is no block and no line."""
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        context = CardContext(session, shop.merchant.id, shop.card.id, "en", shop.clock.at)
        titles = [block.title for block in await CARD_BLOCK.gather(context)]
        keys = [field.key for field in await PASS_FIELDS.gather(context)]
    assert "This shop has closed" not in titles
    assert "closing" not in keys


async def test_news_of_a_closed_business_does_not_leave(client: Any, process: Any, clock: Any) -> None:
    """Written before and still waiting, it is put aside with the reason."""
    merchant = await make_merchant(process.database)
    news = NewsShop(client, process, clock, merchant, await make_store(process.database, merchant))
    await news.card()
    await news.send_news(await news.news())
    async with tenant_scope(process.database, merchant.id) as session:
        await set_feature_rules(session, merchant.id, FEATURE, {"since": "today"})
    await news.deliver()

    assert news.post.recipients == []
    assert [(row.status, row.failure) for row in await news.mails()] == [("suppressed", "business_closed")]


class Waiting:
    """A shop with a full card that is due for a reminder, or news on its way to it."""

    def __init__(self, news: NewsShop) -> None:
        self.news = news

    async def set_closed(self, rules: dict[str, str]) -> None:
        """Close the shop as the guards see it, or open it again with no rules."""
        async with tenant_scope(self.news.database, self.news.merchant.id) as session:
            await set_feature_rules(session, self.news.merchant.id, FEATURE, rules)

    async def written(self) -> tuple[int, int, int]:
        """Return how many messages are on cards, how many mails were written, and how many weeks are used up."""
        async with tenant_scope(self.news.database, self.news.merchant.id) as session:
            cards, weeks = [
                await session.scalar(select(func.count()).select_from(table)) or 0
                for table in (WalletMessage, NudgeSlot)
            ]
        return cards, len(await self.news.mails()), weeks


@pytest_asyncio.fixture(loop_scope="session")
async def waiting(client: Any, process: Any, clock: Any) -> Waiting:
    """Return the shop, open."""
    merchant = await make_merchant(process.database)
    return Waiting(NewsShop(client, process, clock, merchant, await make_store(process.database, merchant)))


async def test_reminders_wait_while_the_business_is_closed(waiting: Waiting) -> None:
    """Nothing is said on a card, no week is used up; opened again, the next round says it."""
    await waiting.news.full_card()
    await waiting.set_closed({"since": "today"})
    await waiting.news.round()
    assert await waiting.written() == (0, 0, 0)
    await waiting.set_closed({})
    await waiting.news.round()
    assert await waiting.written() == (1, 1, 1)


async def test_control_without_the_guard_the_card_is_reminded(waiting: Waiting, monkeypatch: Any) -> None:
    """The standstill is what holds it back: where nobody asks for it, the closed shop writes."""
    await waiting.news.full_card()
    await waiting.set_closed({"since": "today"})
    monkeypatch.setattr(guards, "FEATURE", "something else")
    await waiting.news.round()
    assert await waiting.written() == (1, 1, 1)


async def test_news_on_its_way_waits_while_the_business_is_closed(waiting: Waiting) -> None:
    """Pressed before the closing, it is written to nobody; within the hour after opening it goes on to its end."""
    shop = waiting.news
    await shop.card()
    path = await shop.news()
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    await waiting.set_closed({"since": "today"})
    await shop.work("nudges")
    shop.clock.advance(hours=1)
    await shop.work("nudges")
    assert await waiting.written() == (0, 0, 0)
    await waiting.set_closed({})
    shop.clock.advance(hours=1)
    await shop.work("nudges")
    assert await waiting.written() == (1, 1, 1)


async def test_news_that_went_with_its_business_ends_its_job(waiting: Waiting) -> None:
    """The job that waited finds nothing and asks for no more turns."""
    shop = waiting.news
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await send_batch(session, shop.merchant.id, new_id(), now=shop.clock.now()) is None
