"""Points that count more in the days around a birthday: noted with the gift, exact, and forgotten afterwards."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.settings import get_settings
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.birthdays.tests.conftest import BIRTHDAY, BORN, Shop
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.cards.public import merge_cards
from app.modules.customers.public import Birthday, erase_person
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store

DAYS = {"factor": "2", "from": "2026-05-20", "until": "2026-05-27"}
FACTOR = {"kind": "factor", "reward_id": None, "factor": "2"}
"""The gift is that purchases count twice, and nothing besides."""


@pytest.fixture
async def shop(shop: Shop) -> Shop:
    """Return the shop with a store of points, where purchases of the birthday's days count twice."""
    shop.store = await make_store(
        shop.database, shop.merchant, "points", name="Points", time_zone="Europe/Luxembourg", visits_per_day=0
    )
    _, shop.pin = await make_staff(shop.database, shop.store)
    await shop.set(**FACTOR)
    return shop


async def buy(shop: Shop, card: MadeCard, amount: str = "10.00") -> int:
    """Enter a purchase at the till and return its points."""
    body = {"pass_id": str(card.id), "amount": amount, "staff_pin": shop.pin}
    answer = await shop.client.post(f"/points/{shop.store.id}", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["points_added"])


async def noted(shop: Shop, card: MadeCard) -> Any:
    """Return what the till knows of the card's days."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = await session.scalar(select(PassObject).where(PassObject.id == card.id))
        assert row is not None
        return row.traits.get("birthdays")


async def test_purchases_count_twice_from_the_gift_to_its_last_day(shop: Shop) -> None:
    """From the round of the day on, to the last minute of 27 May at the shop; before and after as always."""
    card = await shop.card()
    assert await buy(shop, card) == 10
    await shop.work()
    assert await buy(shop, card) == 20
    shop.clock.at = BIRTHDAY.replace(day=27, hour=21, minute=59)
    assert await buy(shop, card) == 20
    shop.clock.at += timedelta(minutes=1)
    assert await buy(shop, card) == 10
    assert [(one.kind, str(one.factor)) for one in await shop.gifts()] == [("factor", "2.00")]


async def test_card_pass_and_till_say_until_when(shop: Shop) -> None:
    """The card says it in a sentence while it holds; a moment later nothing of it is left."""
    card = await shop.card()
    await shop.work()
    page = await shop.page(card)
    assert "2 × points" in page
    assert "On every purchase until May 27, 2026" in page or "On every purchase until 27 May 2026" in page
    shop.clock.at += timedelta(days=8)
    assert "2 × points" not in await shop.page(card)


async def test_the_days_are_forgotten_once_they_are_over(shop: Shop) -> None:
    """On the 27th they are on the card, on the 28th neither card nor gift knows of them; the gift stays known."""
    card = await shop.card()
    await shop.work()
    shop.clock.at += timedelta(days=7)
    await shop.work()
    assert await noted(shop, card) == DAYS
    shop.clock.at += timedelta(days=1)
    await shop.work()
    assert await noted(shop, card) is None
    [gift] = await shop.gifts()
    assert (gift.factor_until, str(gift.factor)) == (None, "2.00")


async def test_an_edited_birthday_brings_no_second_days(shop: Shop) -> None:
    """After the days of May the birthday is set to October: purchases of October count as always."""
    card = await shop.card()
    await shop.work()
    shop.clock.at += timedelta(days=134)
    await shop.rename(card, Birthday(1, 10, 1990))
    await shop.work()
    assert (await buy(shop, card), len(await shop.gifts())) == (10, 1)


async def test_a_card_of_stamps_has_no_such_days(shop: Shop) -> None:
    """It collects no points: there is no gift for it, and the year stays free for a card that does."""
    stamps = await make_store(shop.database, shop.merchant, "stamps", name="Stamps")
    card = await make_card(shop.database, stamps, name="Ana", birthday=BORN, now=BIRTHDAY - timedelta(days=9))
    await shop.work()
    assert (await shop.gifts(), await noted(shop, card)) == ([], None)


async def test_beside_a_gift_it_is_noted_with_it(shop: Shop) -> None:
    """Fifty points and twice the points: both on the card, both said on one line of the profile."""
    await shop.set(kind="points", points=50, reward_id=None, factor="1.5")
    card = await shop.card()
    await shop.work()
    assert (await noted(shop, card))["factor"] == "1.5"
    assert await buy(shop, card, "9.99") == 14
    shop.client.cookies.update(shop.merchant.cookies)
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "50 points · 1.5 × points" in profile.text


async def test_joined_cards_keep_the_days(shop: Shop) -> None:
    """The card with the days is joined to another: that one counts twice, to the same day, and then forgets it."""
    old, new = await shop.card(), await shop.card(birthday=None)
    await shop.work()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await merge_cards(session, shop.merchant.id, source_id=old.id, target_id=new.id, now=shop.clock.at)
    assert (await noted(shop, new), await buy(shop, new)) == (DAYS, 20)
    shop.clock.at += timedelta(days=8)
    await shop.work()
    assert (await noted(shop, new), await buy(shop, new)) == (None, 10)


async def test_deleting_the_person_forgets_the_days(shop: Shop) -> None:
    """Neither the card nor the gift has a day any more."""
    card = await shop.card()
    await shop.work()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await erase_person(session, shop.merchant.id, card.customer_id)
    [gift] = await shop.gifts()
    assert (await noted(shop, card), gift.factor_until, gift.celebrated_on) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "factor", "factor": "1"}, "More than 1, or there is no gift."),
        ({"kind": "factor", "factor": "11"}, "The largest number possible is 10."),
        ({"kind": "factor", "factor": "1.234"}, "Please enter a number that fits."),
    ],
)
async def test_a_factor_that_is_none_is_refused(shop: Shop, fields: dict[str, str], said: str) -> None:
    """Refused beside its field, and what was set stays; 1,5 as people type it is kept."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = "/dashboard/birthdays"
    found = re.search(r'name="csrf"[^>]*value="([^"]+)"', (await shop.client.get(page)).text)
    assert found is not None
    headers, token = {"origin": "http://testserver"}, {"csrf": found[1]}
    days = {
        "days_before": "0",
        "days_after": "7",
        "redeem_days": "14",
        "known_days": "0",
        "points": "50",
        "stamps": "1",
    }
    refused = await shop.client.post(page, data=token | days | fields, headers=headers)
    assert refused.status_code == 422
    assert said in refused.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (
            str((await get_settings(session, BirthdaySettings, merchant_id=shop.merchant.id)).factor) == "2"
        )
    kept = await shop.client.post(
        page, data=token | days | {"kind": "factor", "factor": "1,5"}, headers=headers
    )
    assert kept.status_code == 303
