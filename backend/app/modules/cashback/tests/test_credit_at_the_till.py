"""Credit at the till: earned, spent, expired, undone, by many at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.modules.cashback.models import CreditEntry
from app.modules.cashback.tests.conftest import Open, Shop
from app.modules.visits import statements
from app.modules.visits.models import Visit

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
AT_ONCE = 200
# How long the tills may be told that the server is busy; alone it takes seconds.
BUSY_SECONDS_MAX = 240.0


async def test_a_purchase_gives_back_and_the_next_is_paid_with_it(shop: Shop) -> None:
    """59.95 gives 6.00 (5.995 to the even cent); five of it pay a part of twenty, which earns on fifteen only."""
    card = await shop.card()
    first = await shop.buy(card, "59.95")
    assert first["explanation"][-1] == {
        "rule": "cashback", "points": "0", "detail": "1000|5995|EUR|rounded", "amount_minor": 600,
    }  # fmt: skip
    second = await shop.buy(card, "20.00", credit="5.00")
    assert [(line["rule"], line.get("amount_minor", 0)) for line in second["explanation"]] == [
        ("rate", 0), ("cashback", 150), ("tender.credit", -500),
    ]  # fmt: skip
    assert await shop.entries(card) == [("earn", 600), ("spend", -500), ("earn", 150)]
    assert await shop.lots(card) == [(100, "2027-11-20"), (150, "2027-11-20")]
    assert await shop.violations() == []


@pytest.mark.parametrize(
    ("currency", "amount", "back", "part", "wrong"),
    [("JPY", "1985", 198, "198", "1.5"), ("KWD", "12.345", 1_234, "1.234", "1.2345")],
)
async def test_every_currency_has_its_own_smallest_coin(  # noqa: PLR0913 - a currency and its amounts
    open_shop: Open, currency: str, amount: str, back: int, part: str, wrong: str
) -> None:
    """No decimals of the yen, three of the dinar: earned, spent and refused by the coins that there are."""
    shop = await open_shop(currency)
    card = await shop.card()
    await shop.buy(card, amount)
    assert await shop.balance(card) == back
    assert (await shop.ask(card, amount, credit=wrong)).status_code == 422
    assert await shop.balance(card) == back
    await shop.buy(card, amount, credit=part)
    assert (await shop.entries(card))[1] == ("spend", -back)
    assert await shop.violations() == []


async def test_more_than_there_is_cannot_be_spent(shop: Shop) -> None:
    """A cent more than the card holds is refused, and nothing moves."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    refused = await shop.ask(card, "20.00", credit="5.01")
    assert (refused.status_code, refused.json()["code"]) == (409, "credit_short")
    assert await shop.entries(card) == [("earn", 500)]


async def test_the_same_key_earns_and_spends_once(shop: Shop) -> None:
    """Repeated under one key, also with an emptied purse, a purchase is one."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    first = await shop.buy(card, "20.00", credit="5.00", key="one")
    again = await shop.buy(card, "20.00", credit="5.00", key="one")
    assert again == first
    assert await shop.entries(card) == [("earn", 500), ("spend", -500), ("earn", 150)]


async def _spend_at_once(shop: Shop) -> tuple[int, int]:
    """Let two hundred tills take one of ten euros at once; return (granted, sum of all entries).

    Each asks under a key of its own, and asks again while the server says that it is busy, as a till does.
    """
    card = await shop.card()
    await shop.buy(card, "100.00")
    await shop.set(rate_bp=0)

    codes: list[str] = []
    waiting = list(range(AT_ONCE))
    try:
        async with asyncio.timeout(BUSY_SECONDS_MAX):
            while waiting:
                answers = await asyncio.gather(
                    *(shop.ask(card, "5.00", credit="1.00", key=f"till-{number}") for number in waiting)
                )
                said = [str(answer.json().get("code", "given")) for answer in answers]
                codes += [code for code in said if code != "unavailable"]
                waiting = [
                    number for number, code in zip(waiting, said, strict=True) if code == "unavailable"
                ]
    except TimeoutError:
        pytest.fail(f"after {BUSY_SECONDS_MAX:.0f} s {len(waiting)} tills of {AT_ONCE} wait for an answer")
    assert set(codes) <= {"given", "credit_short"}, set(codes)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        total = await session.scalar(
            select(func.sum(CreditEntry.amount_minor)).where(CreditEntry.pass_id == card.id)
        )
    return codes.count("given"), int(total or 0)


async def test_two_hundred_at_once_never_go_below_zero(shop: Shop) -> None:
    """Ten euros, two hundred tills that want one each: ten get it, and the ledger ends at nought."""
    assert await _spend_at_once(shop) == (10, 0)
    assert await shop.violations() == []


async def test_control_without_the_lock_it_goes_below_zero(shop: Shop, monkeypatch: Any) -> None:
    """The card's lock is what keeps it: read without, more than ten are granted and the ledger is below zero."""
    for name in ("LOAD", "LOAD_WITH_PIN"):
        unlocked = getattr(statements, name).replace("FOR UPDATE OF card", "")
        monkeypatch.setattr(statements, name, unlocked)
    granted, total = await _spend_at_once(shop)
    assert granted > 10
    assert total < 0


async def test_soonest_expiry_is_spent_first_and_each_lot_ends_by_itself(shop: Shop) -> None:
    """The later purchase's lot ends sooner: it is spent first; at its last minute it is good, a minute later gone."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.set(expiry_months=1)
    await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "20.00", credit="1.00")
    assert await shop.lots(card) == [(200, "2026-12-20"), (500, "2027-11-20")]

    shop.clock.at = datetime(2026, 12, 20, 22, 59, tzinfo=UTC)
    await shop.expire()
    assert await shop.balance(card) == 700
    shop.clock.at = datetime(2026, 12, 20, 23, 0, tzinfo=UTC)  # midnight in Luxembourg
    refused = await shop.ask(card, "20.00", credit="7.00")
    assert refused.json()["code"] == "credit_short"  # though nobody has collected it yet
    await shop.expire()
    await shop.expire()
    assert (await shop.entries(card))[-1] == ("expire", -200)
    assert await shop.balance(card) == 500
    assert await shop.violations() == []


async def test_an_undo_gives_lots_back_with_their_own_expiry(shop: Shop) -> None:
    """Four of two lots were spent: both have what they had, and end when they would have."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.set(expiry_months=1)
    await shop.buy(card, "30.00")
    before = await shop.lots(card)
    visit = await shop.buy(card, "40.00", credit="4.00")

    assert (await shop.undo(visit)).status_code == 201

    assert await shop.lots(card) == before == [(300, "2026-12-20"), (500, "2027-11-20")]
    assert (await shop.entries(card))[2:] == [
        ("spend", -400), ("earn", 360), ("void", 400), ("void", -360),
    ]  # fmt: skip
    assert await shop.violations() == []


async def test_what_ran_out_meanwhile_runs_out_again(shop: Shop) -> None:
    """A payment undone after its lot's last day: it comes back and ends at once, in a line of its own."""
    await shop.set(expiry_months=1)
    card = await shop.card()
    await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    visit = await shop.buy(card, "40.00", credit="3.00")
    shop.clock.at = START + timedelta(days=60)

    assert (await shop.undo(visit)).status_code == 201

    assert await shop.entries(card) == [("earn", 300), ("spend", -300), ("void", 300), ("expire", -300)]
    assert (await shop.balance(card), await shop.violations()) == (0, [])


async def test_what_expired_of_an_earning_is_not_taken_twice(shop: Shop) -> None:
    """Three earned, one spent, two ran out: the undo of the earning takes one, of what came since."""
    await shop.set(expiry_months=1)
    card = await shop.card()
    visit = await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "10.00", credit="1.00")
    shop.clock.at = START + timedelta(days=60)
    await shop.expire()
    await shop.set(rate_bp=1_000)
    await shop.buy(card, "50.00")

    assert (await shop.undo(visit)).status_code == 201

    assert (await shop.entries(card))[2:] == [("expire", -200), ("earn", 500), ("void", -100)]
    assert (await shop.balance(card), await shop.violations()) == (400, [])


async def test_an_earning_that_is_spent_needs_a_manager_to_insist(shop: Shop) -> None:
    """Refused with nothing moved; forced, the card owes it, and the next cashback fills the gap first."""
    card = await shop.card()
    visit = await shop.buy(card, "50.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "20.00", credit="4.00")

    refused = await shop.undo(visit)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_spent")
    assert await shop.entries(card) == [("earn", 500), ("spend", -400)]

    assert (await shop.undo(visit, force=True)).status_code == 201
    assert await shop.balance(card) == -400
    await shop.set(rate_bp=1_000)
    await shop.buy(card, "60.00")
    assert (await shop.balance(card), await shop.lots(card)) == (200, [(200, "2027-11-20")])
    assert (await shop.ask(card, "20.00", credit="2.01")).json()["code"] == "credit_short"
    assert await shop.violations() == []


async def test_a_visit_refused_leaves_no_credit(shop: Shop) -> None:
    """A wrong PIN with credit to pay: no visit, no movement."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    body = {
        "pass_id": str(card.id), "staff_pin": "000000", "amount": "20.00", "tenders": {"credit": "1.00"},
    }  # fmt: skip
    assert (await shop.client.post(f"/points/{shop.store.id}", json=body)).status_code == 403
    assert await shop.entries(card) == [("earn", 500)]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        count = select(func.count()).select_from(Visit).where(Visit.pass_id == UUID(str(card.id)))
        assert await session.scalar(count) == 1
