"""What one customer is worth: the same model asked about one history, and what the profile says of it."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import numpy as np
import pytest

from app.db.session import Database, tenant_scope
from app.kernel.permissions import Principal
from app.kernel.points import PageContext
from app.modules.analytics.models import CustomerValue
from app.modules.analytics.profile import customer_panel
from app.modules.analytics.tests.test_pages import Reader
from app.modules.analytics.value.model import Histories, chance_alive, expected_spend, expected_visits
from app.modules.analytics.value.person import Habits, History, Outlook, habits_of, look_ahead
from app.process import Process
from tests.fixtures import START

# The paper's parameters, and the shares of a shop that types most amounts.
CDNOW = Habits(0.2426, 4.4135, 0.7929, 2.4258, (6.2488, 3.7446, 15.4477), None, 0.8)
RESULT = {
    "status": "ok",
    "currency": "EUR",
    "horizon_weeks": 52,
    "customers": 400,
    "bgnbd": {"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258},
    "gamma_gamma": {"p": 6.2488, "q": 3.7446, "v": 1544.77},
    "flat_minor": None,
    "paid_share": 0.8,
}


def ahead(history: History, habits: Habits = CDNOW, weeks: float = 39.0) -> Outlook:
    """Return the outlook, which there must be."""
    found = look_ahead(habits, history, weeks=weeks)
    assert found is not None
    return found


def test_the_papers_customer_is_expected_as_the_paper_says() -> None:
    """Back twice, last after 30.43 of 38.86 weeks: 1.2259 times in the next 39."""
    assert ahead(History(3, 30.43, 38.86, 2, 35.0)).visits == pytest.approx(1.2259, abs=0.0001)


@pytest.mark.parametrize(
    "parameters", [(0.2426, 4.4135, 0.7929, 2.4258), (1.2, 3.0, 1.0, 4.0), (2.0, 8.0, 1.7, 0.6)]
)
@pytest.mark.parametrize(("x", "t_x", "age"), [(2, 1.0, 90.0), (30, 100.0, 104.0), (300, 100.0, 101.0)])
def test_one_person_and_all_customers_are_one_model(
    parameters: tuple[float, float, float, float], x: int, t_x: float, age: float
) -> None:
    """The figure of a profile is the one that the fit adds up, also for a = 1 and for hundreds of visits."""
    all_customers = Histories(np.array([float(x)]), np.array([t_x]), np.array([age]), np.ones(1))
    habits = Habits(*parameters, CDNOW.spending, None, 0.8)
    one = ahead(History(x + 1, t_x, age, x, 35.0), habits)
    visits = float(expected_visits(np.array(parameters), all_customers, 39.0)[0])
    worth = float(expected_spend(np.array(CDNOW.spending), np.array([float(x)]), np.array([35.0]))[0])

    # At the pole itself, a = 1, both step aside by a millionth.
    assert one.visits == pytest.approx(visits, rel=1e-5)
    assert one.alive == pytest.approx(float(chance_alive(np.array(parameters), all_customers)[0]), rel=1e-9)
    # Every day was paid: the shop's four of five weigh as two days beside them.
    assert one.value_minor == pytest.approx(visits * worth * (x + 1.6) / (x + 2), rel=1e-5)


def test_eight_of_ten_futures_lie_in_the_range() -> None:
    """People drawn from the model, whose next 39 weeks are drawn, too: the range said before holds 80 percent."""
    made, inside, asked = Random(3), 0, 0
    habits = Habits(2.0, 3.0, 0.3, 4.0, None, None, 0.0)
    while asked < 300:
        rate, leaves = made.gammavariate(2.0, 1 / 3.0), made.betavariate(0.3, 4.0)
        at, visits = 0.0, [0.0]
        while made.random() > leaves or at == 0.0:
            at += made.expovariate(rate)
            if at > 79.0:
                break
            visits.append(at)
        before = [moment for moment in visits if moment <= 40.0]
        if len(before) < 3:
            continue
        low, high = ahead(History(len(before), before[-1], 40.0, 0, 0.0), habits).visits_range
        asked += 1
        inside += low <= len(visits) - len(before) <= high

    # Whole visits: the bounds themselves belong to the range, so it holds somewhat more than eight of ten.
    assert 0.78 <= inside / asked <= 0.95


def test_without_amounts_no_money_is_expected() -> None:
    """With whom no amount was ever typed in, visits are expected and money is not; the control: one amount is."""
    assert ahead(History(6, 30.0, 38.0, 0, 0.0)).value_minor is None
    assert ahead(History(6, 30.0, 38.0, 1, 35.0)).value_minor is not None


def test_too_short_a_history_says_nothing() -> None:
    """Two days are too few, three are enough."""
    assert look_ahead(CDNOW, History(2, 3.0, 5.0, 1, 500.0), weeks=52) is None
    assert look_ahead(CDNOW, History(3, 3.0, 5.0, 1, 500.0), weeks=52) is not None


@pytest.mark.parametrize(
    "lack", [{"status": "too_few"}, {"status": "no_fit"}, {"paid_share": None}, {"bgnbd": None}]
)
def test_no_habits_without_a_fit(lack: dict[str, Any]) -> None:
    """A fit that found nothing, or was kept by an earlier version, is not asked; the control: a whole one is."""
    assert habits_of(RESULT | lack) is None
    assert habits_of(RESULT) is not None


class Profile:
    """A customer's page."""

    def __init__(self, reader: Reader, database: Database) -> None:
        self.reader, self.database = reader, database

    async def keep(self, **changes: Any) -> None:
        """Keep a fit, as the worker does."""
        merchant_id = self.reader.world.merchant.id
        async with tenant_scope(self.database, merchant_id) as session:
            session.add(CustomerValue(merchant_id=merchant_id, fitted_at=START, result=RESULT | changes))

    async def block(self, card: Any) -> str:
        """Return the words of the block; empty where there is none."""
        page = await self.reader.client.get(f"/dashboard/customers/{card.customer_id}")
        assert page.status_code == 200
        found = re.search(r"What they are worth</h2>.*?</section>", page.text, re.DOTALL)
        return re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", found.group())) if found else ""


@pytest.fixture
async def profile(client: Any, process: Process, database: Database) -> Profile:
    """Return the profiles of a business with figures."""
    return Profile(await Reader(client, process).open(), database)


async def test_the_profile_says_what_to_expect(profile: Profile) -> None:
    """Four days with a visit, €5 each: the past exactly, the year to come with its bounds in words."""
    await profile.keep()
    card = await profile.reader.world.join(100)
    for days_ago in (60, 40, 21, 2):
        await profile.reader.visit(card, days_ago, amount=500)
    await profile.reader.count()

    said = await profile.block(card)

    assert "Spent in all €20.00" in said
    assert re.search(r"Visits in the next 12 months \d+\.\d between \d+ and \d+", said)
    assert re.search(r"Worth in the next 12 months €\d+\.\d\d between €\d+\.\d\d and €\d+\.\d\d", said)
    assert re.search(r"eight will be here on \d+ to \d+ days of the next 12 months", said)


async def test_the_profile_says_when_it_knows_too_little(profile: Profile) -> None:
    """Two days with a visit: the past, and no made-up future."""
    await profile.keep()
    card = await profile.reader.world.join(100)
    for days_ago in (3, 2):
        await profile.reader.visit(card, days_ago, amount=500)
    await profile.reader.count()

    said = await profile.block(card)

    assert "2 days with a visit say too little" in said
    assert "Visits in the next 12 months" not in said


async def test_a_shop_without_a_fit_says_so(profile: Profile) -> None:
    """Too few customers in the shop: the past only, whatever the customer's own history."""
    await profile.keep(status="too_few")
    card = await profile.reader.world.join(100)
    for days_ago in (60, 40, 21, 2):
        await profile.reader.visit(card, days_ago)
    await profile.reader.count()

    said = await profile.block(card)

    assert "once the shop has enough customers" in said
    assert "next 12 months" not in said


async def test_amounts_of_another_currency_are_not_money_to_expect(profile: Profile) -> None:
    """The shop's currency changed since the fit: visits are expected, money is not."""
    await profile.keep(currency="CHF")
    card = await profile.reader.world.join(100)
    for days_ago in (60, 40, 21, 2):
        await profile.reader.visit(card, days_ago, amount=500)
    await profile.reader.count()

    said = await profile.block(card)

    assert "Visits in the next 12 months" in said
    assert "Worth in the next 12 months" not in said


async def test_who_may_not_see_figures_sees_none_there(profile: Profile, database: Database) -> None:
    """Whoever may see customers but no figures gets no block; the control: with the permission there is one."""
    card = await profile.reader.world.join(100)
    await profile.reader.visit(card, 2, amount=500)
    await profile.reader.count()
    merchant_id = profile.reader.world.merchant.id
    shown = {}
    for scopes in (frozenset({"customers.view"}), frozenset({"customers.view", "analytics.view"})):
        who = Principal("member", merchant_id, None, role="analyst", scopes=scopes)
        async with tenant_scope(database, merchant_id) as session:
            page = PageContext(session, who, START, subject_id=card.customer_id)
            shown["analytics.view" in scopes] = len(await customer_panel(page))

    assert shown == {False: 0, True: 1}


async def test_the_future_is_the_same_each_time(profile: Profile) -> None:
    """Opened twice, a page says the same."""
    await profile.keep()
    card = await profile.reader.world.join(100)
    for days_ago in (60, 40, 21, 2):
        await profile.reader.visit(card, days_ago, amount=500)
    await profile.reader.count()

    assert await profile.block(card) == await profile.block(card)


async def test_every_figure_stands_in_the_glossary_once(profile: Profile) -> None:
    """No two figures share a name, and each has its words."""
    rows = await profile.reader.table("glossary", "figures")
    names = [row["Figure"] for row in rows]

    assert len(set(names)) == len(names) > 20
    assert all(row["What it counts"] for row in rows)
