"""Birthdays in the demo shops: a gift is set, gifts of the last weeks lie behind, and somebody celebrates today."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.dependencies import StoreRef
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.birthdays.queries import Person, list_people
from app.modules.birthdays.rules import due_birthdays
from app.modules.birthdays.service import FEATURE, change_settings, give_birthday_gift, list_offer
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.public import PassObject
from app.modules.customers.public import Birthday, CustomerDetails, change_details, get_customer
from app.modules.merchants.public import get_merchant, switch_feature
from app.modules.rewards.public import list_rewards
from app.modules.staff.public import StaffRef
from app.modules.stores.public import get_program
from app.modules.visits.public import AwardCommand, award_visit

WEEKS_BACK = 6
PURCHASE = Decimal("59.90")


async def add_birthdays(shop: DemoShop) -> None:
    """Switch gifts on, let the one seen last have their birthday today, and give what was due these weeks."""
    session, merchant_id = shop.session, shop.merchant_id
    system = Principal("system", merchant_id, None)
    await switch_feature(session, system, FEATURE, is_on=True, now=shop.now)
    celebrating = await _celebrate_today(shop)
    settings = await _choose_gift(shop, celebrating)
    await change_settings(session, system, settings, now=shop.now)
    zone = ZoneInfo((await get_merchant(session, merchant_id)).time_zone)
    for days_ago in reversed(range(0, 7 * WEEKS_BACK, 7)):
        now = shop.now - timedelta(days=days_ago)
        due = due_birthdays(settings.window, now.astimezone(zone).date())
        for person in sorted(
            await list_people(session, merchant_id, [day for day, _year in due]), key=_by_id
        ):
            await give_birthday_gift(session, merchant_id, person.id, now=now)
    await _buy_on_the_day(shop, celebrating)


def _by_id(person: Person) -> str:
    return str(person.id)


async def _choose_gift(shop: DemoShop, card: PassObject | None) -> BirthdaySettings:
    """Return a reward that the card of who celebrates can hold, beside twice the points; else stamps or points."""
    offer = await list_offer(shop.session, shop.merchant_id)
    factor = Decimal(2) if "points" in offer.kinds else Decimal(1)
    if card is not None:
        for reward in await list_rewards(shop.session, shop.merchant_id, card.program_id):
            if reward.active:
                return BirthdaySettings(kind="reward", reward_id=reward.id, factor=factor)
    return BirthdaySettings(kind="points" if "points" in offer.kinds else "stamps")


async def _buy_on_the_day(shop: DemoShop, card: PassObject | None) -> None:
    """Let who celebrates buy something, so that a visit with every rule's line stands first on the dashboard."""
    if card is None:
        return
    program = await get_program(shop.session, shop.merchant_id, card.program_id)
    if program.loyalty_type == "stamps":
        return
    command = AwardCommand(
        card=str(card.id),
        quantity=0,
        amount=PURCHASE,
        route="demo",
        address="",
        source="staff_device",
        staff=StaffRef(None, "", "cashier", "device"),
    )
    store = StoreRef(shop.merchant_id, card.store_id)
    outcome = await award_visit(shop.session, store, command, now=shop.now)
    assert not isinstance(outcome, Refusal), outcome.code


async def _celebrate_today(shop: DemoShop) -> PassObject | None:
    """Let the holder of the card used last, one with points if there are any, have their birthday today."""
    card = await shop.session.scalar(
        select(PassObject)
        .where(PassObject.merchant_id == shop.merchant_id, PassObject.status == "active")
        .order_by(
            (PassObject.points_balance > 0).desc(),
            PassObject.last_visit_at.desc().nulls_last(),
            PassObject.id.desc(),
        )
        .limit(1)
    )
    if card is None:
        return None
    customer_id = card.customer_id
    merchant = await get_merchant(shop.session, shop.merchant_id)
    today = shop.now.astimezone(ZoneInfo(merchant.time_zone)).date()
    person = await get_customer(shop.session, shop.merchant_id, customer_id)
    details = CustomerDetails(
        person.name, person.email, person.phone, Birthday(today.day, today.month, None), person.locale
    )
    await change_details(shop.session, shop.merchant_id, customer_id, details=details, now=shop.now)
    return card
