"""The year of the demo: the same from the same seed, and believable."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time

import pytest

from app.demo.making import draw_pins, owner_password
from app.demo.shops import BUSINESSES, CLOSED_DAYS, GARE, KIRCHBERG, MODE, WEEKDAYS, Shop
from app.demo.year import ZONE, BusinessPlan, plan_business
from app.modules.staff.rules import is_guessable

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SHOPS = (GARE, KIRCHBERG, MODE)


@pytest.fixture(scope="module")
def plans() -> dict[str, BusinessPlan]:
    """Return the plan of every business from seed 1."""
    return {business.name: plan_business(business, seed=1, now=NOW) for business in BUSINESSES}


def cards_of(plans: dict[str, BusinessPlan], shop: Shop) -> list[datetime]:
    """Return all visits of a store."""
    for business in BUSINESSES:
        for position, own in enumerate(business.shops):
            if own is shop:
                return [at for card in plans[business.name].cards[position] for at in card.visits]
    raise AssertionError


def test_same_seed_and_end_give_the_same_year(plans):
    """Names, addresses, joins and visits are equal, down to the microsecond."""
    for business in BUSINESSES:
        assert plan_business(business, seed=1, now=NOW) == plans[business.name]


def test_another_seed_gives_another_year(plans):
    """Another seed brings other people at other times."""
    other = plan_business(BUSINESSES[0], seed=2, now=NOW)
    assert other.customers[:20] != plans["CoffeeLux"].customers[:20]
    assert other.cards[0][:20] != plans["CoffeeLux"].cards[0][:20]


def test_there_are_some_hundreds_of_customers(plans):
    """The three stores hold 470 cards of about 450 people."""
    assert sum(len(cards) for plan in plans.values() for cards in plan.cards) == 470
    assert 440 <= sum(len(plan.customers) for plan in plans.values()) <= 470


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_nobody_comes_when_the_store_is_closed(plans, shop):
    """Every visit lies in the opening hours of its day, and none in the future."""
    for at in cards_of(plans, shop):
        local = at.astimezone(ZONE)
        (opens, closes), *_ = shop.hours[WEEKDAYS[local.weekday()]]
        assert time.fromisoformat(opens) <= local.time() < time.fromisoformat(closes)
        assert (local.month, local.day) not in CLOSED_DAYS
        assert at < NOW


def test_visits_follow_the_trade(plans):
    """Coffee peaks before nine, lunch at noon on weekdays, fashion on Saturdays."""
    coffee, lunch, fashion = (cards_of(plans, shop) for shop in SHOPS)
    assert Counter(at.astimezone(ZONE).hour for at in coffee).most_common(1)[0][0] in {7, 8}
    assert Counter(at.astimezone(ZONE).hour for at in lunch).most_common(1)[0][0] in {12, 13}
    assert Counter(at.astimezone(ZONE).weekday() for at in fashion).most_common(1)[0][0] == 5
    august = [at for at in coffee if at.month == 8]
    october = [at for at in coffee if at.month == 10]
    assert len(august) < 0.8 * len(october)


def test_some_are_loyal_and_some_are_lost(plans):
    """A good part came in the last month, a good part not for three, and some came often."""
    cards = [card for plan in plans.values() for cards in plan.cards for card in cards]
    recent = [card for card in cards if card.visits and (NOW - card.visits[-1]).days < 30]
    lost = [card for card in cards if card.visits and (NOW - card.visits[-1]).days > 90]
    loyal = [card for card in cards if len(card.visits) > 60]
    assert len(recent) > 130
    assert len(lost) > 80
    assert len(loyal) > 30


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_pins_come_from_the_seed_and_differ(shop):
    """Everyone of a team has a six-digit PIN of their own that nobody tries first."""
    pins = draw_pins(shop, seed=1)
    assert len(set(pins)) == len(shop.team)
    assert all(len(pin) == 6 and pin.isdecimal() and not is_guessable(pin) for pin in pins)
    assert pins == draw_pins(shop, seed=1)
    assert pins != draw_pins(shop, seed=2)


def test_demo_addresses_reach_nobody(plans):
    """All mail addresses are under .example, which exists nowhere (RFC 2606), and are nobody else's."""
    for business in BUSINESSES:
        emails = [customer.email for customer in plans[business.name].customers if customer.email]
        assert len(emails) == len(set(emails)) > 50
        assert all(email.endswith(".example") and email.isascii() for email in emails)
        assert owner_password(business, seed=1) != owner_password(business, seed=2)
