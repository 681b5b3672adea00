"""What the demo shops have to show: a hurried quarter of an hour, a night visit, and somebody's own card."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.dependencies import StoreRef
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.cards.public import PassObject
from app.modules.fraud.models import FraudScan
from app.modules.fraud.rules import is_open
from app.modules.fraud.service import link_own_card, scan_visits
from app.modules.staff.public import StaffRef, list_till_staff
from app.modules.stores.public import StoreView, list_stores
from app.modules.visits.public import AwardCommand, award_visit
from app.utils.id_generator import ids_made_at

HURRIED = 34
NIGHT_HOUR = 3
OWN_TIMES = 3
DAYS_BACK_MAX = 5
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
    hurry = _last_open_morning(shop.now, store)
    shop.session.add(FraudScan(merchant_id=shop.merchant_id, scanned_at=hurry - timedelta(days=1)))
    await shop.session.flush()  # the look below finds how far it was done
    for number, card in enumerate(cards[:HURRIED]):
        await _stamp(shop, store, card, by=team[0], at=hurry + timedelta(seconds=17 * number))
    night = _at(hurry, store.time_zone, NIGHT_HOUR, 12)
    await _stamp(shop, store, cards[HURRIED], by=team[-1], at=night)
    own = cards[HURRIED + 1]
    system = Principal("system", shop.merchant_id, None)
    await link_own_card(shop.session, system, staff_id=team[-1].id or own, card=str(own), now=shop.now)
    for number in range(OWN_TIMES):
        await _stamp(shop, store, own, by=team[-1], at=hurry + timedelta(hours=1 + number))
    await scan_visits(shop.session, shop.merchant_id, now=shop.now)


def _at(day: datetime, time_zone: str, hour: int, minute: int) -> datetime:
    """Return a time of the store's clock on the day of a moment."""
    local = day.astimezone(ZoneInfo(time_zone)).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return local.astimezone(UTC)


def _last_open_morning(now: datetime, store: StoreView) -> datetime:
    """Return ten past ten of the last day on which the store was open then, before today."""
    moment = _at(now - timedelta(days=1), store.time_zone, 10, 10)
    for _day in range(DAYS_BACK_MAX):
        if is_open(moment, store.opening_hours, time_zone=store.time_zone, tolerance=timedelta()):
            break
        moment = _at(moment - timedelta(days=1), store.time_zone, 10, 10)
    return moment


async def _calm_cards(shop: DemoShop, store: StoreView) -> list[UUID]:
    """Return cards with room that were not stamped since the day before."""
    rows = await shop.session.scalars(
        select(PassObject.id)
        .where(
            PassObject.merchant_id == shop.merchant_id,
            PassObject.program_id == store.program.id,
            PassObject.status == "active",
            PassObject.stamp_count < store.program.stamps_needed - OWN_TIMES,
            PassObject.last_visit_at < shop.now - timedelta(days=DAYS_BACK_MAX + 2),
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
    # Lists are in the order of ids: the visit stands where its hour puts it.
    with ids_made_at(at):
        given = await award_visit(shop.session, ref, command, now=at)
    assert not isinstance(given, Refusal), given
