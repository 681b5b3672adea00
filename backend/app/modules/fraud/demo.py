"""What the demo shops have to show: a hurried quarter of an hour, a night visit, and somebody's own card."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.dependencies import StoreRef
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.cards.public import PassObject
from app.modules.fraud.service import link_own_card, scan_visits
from app.modules.staff.public import StaffRef, list_till_staff
from app.modules.stores.public import StoreView, list_stores
from app.modules.visits.public import AwardCommand, award_visit

HURRIED = 34
NIGHT_HOUR = 3
OWN_TIMES = 3
CARDS_READ = 400


async def add_misuse(shop: DemoShop) -> None:
    """Let a few visits happen that the rules see, in the first shop that stamps; then look at them."""
    stores = [
        store for store in await list_stores(shop.session, shop.merchant_id) if store.loyalty_type == "stamps"
    ]
    if not stores:
        return
    store = stores[0]
    team = await list_till_staff(shop.session, StoreRef(store.merchant_id, store.id))
    cards = await _calm_cards(shop, store)
    if not team or len(cards) < HURRIED + OWN_TIMES + 1:
        return
    hurry = shop.now - timedelta(hours=2)
    for number, card in enumerate(cards[:HURRIED]):
        await _stamp(shop, store, card, by=team[0], at=hurry + timedelta(seconds=17 * number))
    night = _last_night(shop.now, store.time_zone)
    await _stamp(shop, store, cards[HURRIED], by=team[-1], at=night)
    own = cards[HURRIED + 1]
    system = Principal("system", shop.merchant_id, None)
    await link_own_card(shop.session, system, staff_id=team[-1].id or own, card=str(own), now=shop.now)
    for number in range(OWN_TIMES):
        await _stamp(shop, store, own, by=team[-1], at=shop.now - timedelta(minutes=90 - 25 * number))
    await scan_visits(shop.session, shop.merchant_id, now=shop.now)


def _last_night(now: datetime, time_zone: str) -> datetime:
    local = now.astimezone(ZoneInfo(time_zone))
    night = local.replace(hour=NIGHT_HOUR, minute=12)
    return (night if night < local else night - timedelta(days=1)).astimezone(now.tzinfo)


async def _calm_cards(shop: DemoShop, store: StoreView) -> list[UUID]:
    """Return cards with room that were not stamped since the day before."""
    rows = await shop.session.scalars(
        select(PassObject.id)
        .where(
            PassObject.merchant_id == shop.merchant_id,
            PassObject.program_id == store.program.id,
            PassObject.status == "active",
            PassObject.stamp_count < store.program.stamps_needed - OWN_TIMES,
            PassObject.last_visit_at < shop.now - timedelta(days=3),
        )
        .order_by(PassObject.id)
        .limit(CARDS_READ)
    )
    return list(rows)


async def _stamp(shop: DemoShop, store: StoreView, card: UUID, *, by: StaffRef, at: datetime) -> None:
    ref = StoreRef(store.merchant_id, store.id)
    command = AwardCommand(
        card=str(card), quantity=1, amount=None, route="demo", address="", source="staff_device", staff=by
    )
    given = await award_visit(shop.session, ref, command, now=at)
    assert not isinstance(given, Refusal), given
