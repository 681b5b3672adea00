"""When customers come: a year of visits within opening hours, from a seed and an end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.demo.people import DemoCustomer, make_customer
from app.demo.shops import CLOSED_DAYS, WEEKDAYS, Business, Shop, month_weight

ZONE = ZoneInfo("Europe/Luxembourg")
WEEKS = 52
# What is nearer to the end than this was not there yet when the demo began.
LATEST = timedelta(minutes=12)
VISITS_APART = timedelta(minutes=90)
# Of a store's cards: come often, come regularly, come now and then, came once, came until they stopped.
HABITS = (("loyal", 15), ("regular", 23), ("occasional", 31), ("once", 14), ("lost", 17))


@dataclass(frozen=True)
class CardPlan:
    """A card of the demo: whose it is, when it was taken and when its holder came."""

    customer: int
    joined_at: datetime
    visits: tuple[datetime, ...]


@dataclass(frozen=True)
class BusinessPlan:
    """A merchant's customers, and the cards of each of its stores in the order of business.shops."""

    customers: tuple[DemoCustomer, ...]
    cards: tuple[tuple[CardPlan, ...], ...]


def first_monday(now: datetime) -> date:
    """Return the Monday on which the demo's year begins."""
    today = now.astimezone(ZONE).date()
    return today - timedelta(days=today.weekday(), weeks=WEEKS)


def plan_business(business: Business, *, seed: int, now: datetime) -> BusinessPlan:
    """Plan a merchant's year; the same seed and the same end give the same plan."""
    taken: set[str] = set()
    customers: list[DemoCustomer] = []
    cards: list[tuple[CardPlan, ...]] = []
    today = now.astimezone(ZONE).date()
    for position, shop in enumerate(business.shops):
        planned: list[CardPlan] = []
        for index in range(shop.crowd.cards):
            rng = random.Random(f"{seed}|{shop.name}|{index}")
            is_shared = position > 0 and rng.random() < business.shared
            if is_shared:
                customer = index
            else:
                customer = len(customers)
                customers.append(make_customer(rng, taken=taken, today=today))
            plan = plan_card(rng, shop, customer=customer, now=now)
            planned.append(plan)
        cards.append(tuple(planned))
    return BusinessPlan(tuple(customers), tuple(cards))


def plan_card(rng: random.Random, shop: Shop, *, customer: int, now: datetime) -> CardPlan:
    """Plan when one person takes the card and comes back."""
    habit = rng.choices([name for name, _ in HABITS], [weight for _, weight in HABITS])[0]
    # A quarter joins in the first weeks, when the poster is new.
    week = rng.randrange(4) if rng.random() < 0.25 else rng.randrange(WEEKS)
    if habit == "lost":
        week = min(week, WEEKS - 16)
    ends = week + rng.randrange(4, 20) if habit == "lost" else WEEKS + 1
    favourite = rng.choices(list(shop.crowd.hours), list(shop.crowd.hours.values()))[0]
    rate = _rate(rng, shop, habit)
    moments: list[datetime] = []
    for number in range(week, min(ends, WEEKS + 1)):
        monday = first_monday(now) + timedelta(weeks=number)
        wanted = _poisson(rng, rate * month_weight(shop, monday.month)) if number > week else 1
        found = (_moment(rng, shop, monday, favourite=favourite) for _ in range(wanted))
        moments.extend(moment for moment in found if moment is not None)
    visits = _apart(moment for moment in sorted(moments) if moment <= now - LATEST)
    monday = first_monday(now) + timedelta(weeks=week)
    first = visits[0] if visits else _moment(rng, shop, monday, favourite=favourite)
    joined = (first or now - timedelta(days=30)) - timedelta(seconds=rng.randrange(40, 200))
    if habit == "once" and rng.random() < 0.2:
        visits = []
    return CardPlan(customer, min(joined, now - LATEST), tuple(visits))


def _rate(rng: random.Random, shop: Shop, habit: str) -> float:
    loyal, regular, occasional = shop.crowd.rates
    rates = {"loyal": loyal, "regular": regular, "occasional": occasional, "once": 0.0, "lost": regular * 1.2}
    return rates[habit] * rng.uniform(0.7, 1.35)


def _poisson(rng: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _moment(rng: random.Random, shop: Shop, monday: date, *, favourite: int) -> datetime | None:
    """Return a moment of that week at which the store is open; None where the day turned out a holiday."""
    day = monday + timedelta(days=rng.choices(range(7), shop.crowd.weekdays)[0])
    spans = shop.hours.get(WEEKDAYS[day.weekday()], ())
    hours = shop.crowd.hours
    hour = favourite if rng.random() < 0.55 else rng.choices(list(hours), list(hours.values()))[0]
    at = time(hour, rng.randrange(60), rng.randrange(60), rng.randrange(1000) * 1000)
    if (day.month, day.day) in CLOSED_DAYS or not spans:
        return None
    opens, closes = (time.fromisoformat(part) for part in spans[0])
    if not opens <= at < closes:
        # Somebody whose hour is outside that day's comes in the middle of the day.
        middle = (opens.hour + closes.hour) // 2
        at = at.replace(hour=middle)
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def _apart(moments: Iterable[datetime]) -> list[datetime]:
    kept: list[datetime] = []
    for moment in moments:
        if not kept or moment - kept[-1] >= VISITS_APART:
            kept.append(moment)
    return kept
