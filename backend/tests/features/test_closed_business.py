"""In a closed business nothing new comes by the worker or by a link: it waits, and goes on when it is open again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.kernel.jobs.runner import JobRunner
from app.modules.accounts.models import Member
from app.modules.accounts.tests.helpers import token_to
from app.modules.accounts.tests.test_team import accept, invite
from app.modules.birthdays.models import BirthdayGift
from app.modules.cards.factories import MadeCard
from app.modules.cards.public import PassObject
from app.modules.closing import guards
from app.modules.crm.importing.jobs import WAITS
from app.modules.crm.tests.importers import FILE, HTML
from app.modules.crm.tests.importers import Shop as Importer
from app.modules.customers.public import Customer
from app.modules.rewards.public import Gift
from app.modules.tiers.config import LevelDraft, add_level
from app.modules.tiers.jobs import weigh_card
from app.modules.tiers.models import TierStanding
from app.utils.id_generator import new_id
from tests.features.conftest import NOON, Shop

PAGE = "/dashboard/closing"
# What the four gifts of the two cards come to: the level's, the birthday's, and what bringing a friend gives both.
LEVEL, BIRTHDAY, INVITER, FRIEND = 7, 50, 30, 20
NOBODY = {"gifts": 0, "birthdays": 0, "levels": 0}


async def press(shop: Any, path: str, **form: str) -> None:
    """Send a form of the owner's."""
    shop.client.cookies.clear()
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get(PAGE, headers=HTML)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    answer = await shop.client.post(path, data={"csrf": found[1], **form}, headers=HTML)
    assert answer.status_code == 303, answer.text
    shop.client.cookies.clear()


async def close(shop: Any) -> None:
    """Close the business, as its owner."""
    await press(shop, PAGE, name=shop.merchant.name, password=shop.merchant.password)


async def reopen(shop: Any) -> None:
    """Open it again."""
    await press(shop, f"{PAGE}/open")


async def count(shop: Any, model: Any) -> int:
    """Count the shop's rows."""
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        return int(await session.scalar(select(func.count()).select_from(model)) or 0)


async def given(shop: Shop) -> dict[str, int]:
    """Return what the worker gave and noted."""
    models = {"gifts": Gift, "birthdays": BirthdayGift, "levels": TierStanding}
    return {name: await count(shop, model) for name, model in models.items()}


async def points(shop: Shop, *cards: MadeCard) -> list[int]:
    """Return the cards' points."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        found = [await session.get(PassObject, (shop.merchant.id, card.id)) for card in cards]
        return [card.points_balance for card in found if card is not None]


async def look_at(shop: Shop, card: MadeCard, friend: MadeCard) -> None:
    """Do what the worker does for the two, the friend's level, too: a card older than levels gets no gift for one."""
    await weigh_card.function(shop.context(), pass_id=friend.id)
    await shop.look_at(card, friend)


async def work(shop: Any) -> None:
    """Run what is due, as the worker does."""
    made = shop.process
    await JobRunner(made.database, made.registry, made.settings, made.clock, resources=made.resources).drain()


@pytest.fixture
async def friends(shop: Shop) -> tuple[MadeCard, MadeCard]:
    """Return two cards with a gift due from each feature."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await add_level(session, shop.owner, LevelDraft("Gold", 20_000, entry_points=LEVEL), now=NOON)
    card, friend = await shop.two_friends()
    await shop.buy(friend.id, "200.00")
    return card, friend


async def test_gifts_wait_for_a_closed_business(shop: Shop, friends: tuple[MadeCard, MadeCard]) -> None:
    """Level, birthday and friend give nothing while it is closed; opened again, each gives once what it owes."""
    before = await points(shop, *friends)
    await close(shop)
    await look_at(shop, *friends)
    closed, untouched = await given(shop), await points(shop, *friends)
    await reopen(shop)
    await look_at(shop, *friends)
    await look_at(shop, *friends)

    assert (closed, untouched) == (NOBODY, before)
    after = await points(shop, *friends)
    gains = [now - then for now, then in zip(after, before, strict=True)]
    assert gains == [BIRTHDAY + INVITER, LEVEL + FRIEND]


async def test_control_without_the_guard_a_closed_business_gives(
    shop: Shop, friends: tuple[MadeCard, MadeCard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is what keeps them: without what it reads, all four are given."""
    await close(shop)
    monkeypatch.setattr(guards, "FEATURE", "something else")
    await look_at(shop, *friends)

    assert (await given(shop))["gifts"] == 4


async def test_opened_again_the_worker_comes_by_itself(
    shop: Shop, friends: tuple[MadeCard, MadeCard]
) -> None:
    """All cards are drawn anew, by which the worker looks at levels and friends that waited."""
    before = await points(shop, *friends)
    await close(shop)
    shop.clock.at = NOON + timedelta(minutes=16)
    await work(shop)
    closed = await points(shop, *friends)
    await reopen(shop)
    await work(shop)

    assert closed == before
    gains = [now - then for now, then in zip(await points(shop, *friends), before, strict=True)]
    assert gains == [INVITER, LEVEL + FRIEND]


@pytest.fixture
async def importer(process: Any, client: Any, app: Any) -> Importer:
    """Return a merchant whose file was checked and started, with no worker at hand yet."""
    await app.state.limiter.reset()
    shop = await Importer(client, process.database, process).open()
    shop.url = await shop.upload(FILE)
    columns = {"column_name": "0", "column_email": "1"}
    assert (await shop.post(f"{shop.url}/check", shop.url, **columns)).status_code == 303
    await shop.work()
    assert (await shop.post(f"{shop.url}/start", shop.url)).status_code == 303
    return shop


async def test_an_import_waits_for_a_closed_business(importer: Importer) -> None:
    """Begun before, it brings nobody in while closed, however often the worker looks; opened again it is done."""
    await close(importer)
    await importer.work()
    importer.process.clock.at += WAITS
    await importer.work()
    closed = await count(importer, Customer), (await importer.run(importer.url)).status
    await reopen(importer)
    importer.process.clock.at += WAITS
    await importer.work()

    assert closed == (0, "running")
    assert (await count(importer, Customer), (await importer.run(importer.url)).status) == (3, "done")


async def test_control_without_the_guard_the_import_goes_on(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is what stops it: without what it reads, the file is brought in."""
    await close(importer)
    monkeypatch.setattr(guards, "FEATURE", "something else")
    await importer.work()

    assert (await count(importer, Customer), (await importer.run(importer.url)).status) == (3, "done")


async def test_nobody_joins_the_team_of_a_closed_business(shop: Shop) -> None:
    """An invitation from before says so and makes no member; opened again, the same link works."""
    token = await invited(shop)
    await close(shop)
    refused = await accept(shop.client, token)
    await shop.client.get(f"/invitation/link/{token}")
    page = await shop.client.get("/invitation")
    closed = await count(shop, Member)
    await reopen(shop)
    shop.clock.at += timedelta(minutes=1)
    welcome = await accept(shop.client, token)

    assert (refused.status_code, refused.json()["code"]) == (409, "business_closed")
    assert (page.status_code, "can only be looked at" in page.text) == (409, True)
    assert closed == 0
    assert (welcome.status_code, await count(shop, Member)) == (201, 1)


async def test_control_without_the_guard_somebody_joins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard is what refuses: without what it reads, the team has one more."""
    token = await invited(shop)
    await close(shop)
    monkeypatch.setattr(guards, "FEATURE", "something else")

    assert (await accept(shop.client, token)).status_code == 201


async def invited(shop: Shop) -> str:
    """Invite somebody and return the token of the link in the mail."""
    email = f"eve-{new_id().hex[-12:]}@example.com"
    assert (await invite(shop.client, shop.merchant, email)).status_code == 201
    return await token_to(shop.process, email, "invitation")
