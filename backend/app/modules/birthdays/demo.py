"""Birthdays in the demo shops: a gift is set, gifts of the last weeks lie behind, and somebody celebrates today."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.birthdays.queries import Person, list_people
from app.modules.birthdays.rules import due_birthdays
from app.modules.birthdays.service import FEATURE, change_settings, give_birthday_gift, list_offer
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.public import PassObject
from app.modules.customers.public import Birthday, CustomerDetails, change_details, get_customer
from app.modules.merchants.public import get_merchant, switch_feature

WEEKS_BACK = 6


async def add_birthdays(shop: DemoShop) -> None:
    """Switch gifts on, let the one seen last have their birthday today, and give what was due these weeks."""
    session, merchant_id = shop.session, shop.merchant_id
    system = Principal("system", merchant_id, None)
    await switch_feature(session, system, FEATURE, is_on=True, now=shop.now)
    offer = await list_offer(session, merchant_id)
    if offer.rewards:
        factor = Decimal(2) if "points" in offer.kinds else Decimal(1)
        settings = BirthdaySettings(kind="reward", reward_id=offer.rewards[0][0], factor=factor)
    else:
        settings = BirthdaySettings(kind="points" if "points" in offer.kinds else "stamps")
    await change_settings(session, system, settings, now=shop.now)
    await _celebrate_today(shop)
    zone = ZoneInfo((await get_merchant(session, merchant_id)).time_zone)
    for days_ago in reversed(range(0, 7 * WEEKS_BACK, 7)):
        now = shop.now - timedelta(days=days_ago)
        due = due_birthdays(settings.window, now.astimezone(zone).date())
        for person in sorted(
            await list_people(session, merchant_id, [day for day, _year in due]), key=_by_id
        ):
            await give_birthday_gift(session, merchant_id, person.id, now=now)


def _by_id(person: Person) -> str:
    return str(person.id)


async def _celebrate_today(shop: DemoShop) -> None:
    """Let the holder of the card used last have their birthday today."""
    customer_id = await shop.session.scalar(
        select(PassObject.customer_id)
        .where(PassObject.merchant_id == shop.merchant_id, PassObject.status == "active")
        .order_by(PassObject.last_visit_at.desc().nulls_last(), PassObject.id.desc())
        .limit(1)
    )
    if customer_id is None:
        return
    merchant = await get_merchant(shop.session, shop.merchant_id)
    today = shop.now.astimezone(ZoneInfo(merchant.time_zone)).date()
    person = await get_customer(shop.session, shop.merchant_id, customer_id)
    details = CustomerDetails(
        person.name, person.email, person.phone, Birthday(today.day, today.month, None), person.locale
    )
    await change_details(shop.session, shop.merchant_id, customer_id, details=details, now=shop.now)
