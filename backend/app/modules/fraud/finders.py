"""The rules that come with the module: each looks at the newest visits and says what is odd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from app.kernel.i18n import msg
from app.kernel.points import FraudRule, SeenVisit, Suspicion, VisitScan
from app.kernel.settings import get_settings
from app.modules.fraud import queries
from app.modules.fraud.rules import crowd, is_open, local_day
from app.modules.fraud.settings import FraudSettings
from app.modules.stores.public import StoreView, list_stores

# Integrations and the dashboard have their own speed.
AT_THE_TILL = frozenset({"pin", "shared_pin", "device"})
K = TypeVar("K", bound=Hashable)


def _group(visits: Iterable[SeenVisit], key: partial[K]) -> dict[K, list[SeenVisit]]:
    groups: dict[K, list[SeenVisit]] = defaultdict(list)
    for visit in visits:
        groups[key(visit)].append(visit)
    return groups


def _giver(visit: SeenVisit) -> str:
    """Return who gave it: the person, or for a shared PIN the store."""
    return str(visit.staff_id or visit.store_id)


def _since(scan: VisitScan, window: timedelta) -> datetime:
    return min(visit.at for visit in scan.visits) - window


async def _settings(scan: VisitScan) -> FraudSettings:
    return await get_settings(scan.session, FraudSettings, merchant_id=scan.merchant_id)


async def _stores(scan: VisitScan) -> dict[UUID, StoreView]:
    return {store.id: store for store in await list_stores(scan.session, scan.merchant_id)}


async def find_fast_staff(scan: VisitScan) -> list[Suspicion]:
    """See who gives more visits in a short time than a till can."""
    settings, till = await _settings(scan), [visit for visit in scan.visits if visit.given_by in AT_THE_TILL]
    if not till or not settings.staff_visits:
        return []
    window = timedelta(minutes=settings.staff_minutes)
    recent = await queries.list_recent(scan.session, scan.merchant_id, since=_since(scan, window))
    givers, stores = {_giver(visit) for visit in till}, await _stores(scan)
    found = []
    for giver, visits in _group(recent, partial(_giver)).items():
        known = [visit for visit in visits if visit.given_by in AT_THE_TILL]
        many = crowd(known, window=window, most=settings.staff_visits) if giver in givers else []
        if many:
            last = many[-1]
            day = local_day(last.at, stores[last.store_id].time_zone)
            found.append(
                Suspicion(
                    f"{giver}:{day}",
                    many,
                    settings.staff_visits + 1,
                    store_id=last.store_id,
                    staff_id=last.staff_id,
                )
            )
    return found


async def find_fast_cards(scan: VisitScan) -> list[Suspicion]:
    """See which card comes more often in a few hours than a customer does."""
    settings = await _settings(scan)
    if not scan.visits or not settings.card_visits:
        return []
    window = timedelta(hours=settings.card_hours)
    cards = {visit.pass_id for visit in scan.visits}
    history = await queries.list_of_cards(scan.session, scan.merchant_id, cards, since=_since(scan, window))
    stores, found = await _stores(scan), []
    for pass_id, visits in _group(history, partial(lambda visit: visit.pass_id)).items():
        many = crowd(visits, window=window, most=settings.card_visits)
        if many:
            day = local_day(many[-1].at, stores[many[-1].store_id].time_zone)
            key = f"{pass_id}:{day}"
            found.append(
                Suspicion(key, many, settings.card_visits + 1, store_id=many[-1].store_id, pass_id=pass_id)
            )
    return found


async def find_pairs(scan: VisitScan) -> list[Suspicion]:
    """See which card is stamped by the same person again and again."""
    settings, named = await _settings(scan), [visit for visit in scan.visits if visit.staff_id is not None]
    if not named or not settings.pair_visits:
        return []
    window = timedelta(days=settings.pair_days)
    pairs = {(visit.staff_id, visit.pass_id) for visit in named}
    cards = {visit.pass_id for visit in named}
    history = await queries.list_of_cards(scan.session, scan.merchant_id, cards, since=_since(scan, window))
    found = []
    for pair, visits in _group(history, partial(lambda visit: (visit.staff_id, visit.pass_id))).items():
        many = crowd(visits, window=window, most=settings.pair_visits) if pair in pairs else []
        if many:
            staff_id, pass_id = pair
            key, store_id = f"{staff_id}:{pass_id}", many[-1].store_id
            found.append(Suspicion(key, many, settings.pair_visits + 1, store_id, staff_id, pass_id))
    return found


async def find_closed_hours(scan: VisitScan) -> list[Suspicion]:
    """See what was given while the shop was closed; a store without opening hours is never closed."""
    settings = await _settings(scan)
    if not scan.visits or settings.closed_minutes < 0:
        return []
    tolerance, stores = timedelta(minutes=settings.closed_minutes), await _stores(scan)
    closed = [
        visit
        for visit in scan.visits
        if visit.given_by in AT_THE_TILL
        and not is_open(
            visit.at,
            stores[visit.store_id].opening_hours,
            time_zone=stores[visit.store_id].time_zone,
            tolerance=tolerance,
        )
    ]
    found = []
    for store_id, visits in _group(closed, partial(lambda visit: visit.store_id)).items():
        for day, odd in _group(
            visits, partial(lambda v, zone: local_day(v.at, zone), zone=stores[store_id].time_zone)
        ).items():
            givers = {visit.staff_id for visit in odd}
            staff_id = givers.pop() if len(givers) == 1 else None
            found.append(Suspicion(f"{store_id}:{day}", odd, store_id=store_id, staff_id=staff_id))
    return found


async def find_own_cards(scan: VisitScan) -> list[Suspicion]:
    """See who gives to a card that is known to be their own."""
    cards = {visit.pass_id for visit in scan.visits if visit.staff_id is not None}
    owners = await queries.find_owners(scan.session, scan.merchant_id, cards) if cards else set()
    own = [visit for visit in scan.visits if (visit.staff_id, visit.pass_id) in owners]
    found = []
    for (staff_id, pass_id), visits in _group(
        own, partial(lambda visit: (visit.staff_id, visit.pass_id))
    ).items():
        store_id = visits[0].store_id
        found.append(Suspicion(f"{staff_id}:{pass_id}", visits, 1, store_id, staff_id, pass_id))
    return found


RULES = {
    "staff_speed": FraudRule(
        msg("Many visits in a short time"),
        msg("One person gave more visits in a few minutes than a till usually sees."),
        find_fast_staff,
        urgent=True,
    ),
    "card_speed": FraudRule(
        msg("One card, many visits"),
        msg("A card came more often within a few hours than customers usually do."),
        find_fast_cards,
        urgent=True,
    ),
    "same_pair": FraudRule(
        msg("Same person, same card"),
        msg("One person served the same card again and again."),
        find_pairs,
    ),
    "closed_hours": FraudRule(
        msg("Outside of opening hours"),
        msg("Something was given while the shop was closed."),
        find_closed_hours,
    ),
    "own_card": FraudRule(
        msg("Own card"),
        msg("Somebody of the team gave stamps or points to their own card."),
        find_own_cards,
    ),
}
