"""Paying a part of a purchase from the card: weighed under its lock, taken with the visit, given back with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import tenant_scope
from app.kernel.hooks import Bound
from app.kernel.outcomes import Refusal
from app.modules.cards.public import find_trait, get_card_row, lock_card, set_trait
from app.modules.merchants.models import Merchant
from app.modules.rewards.public import TENDER, VOID_REFUSAL, TenderSpending, VoidingContext
from app.modules.visits.models import Visit
from app.modules.visits.public import explain_visit

AT_ONCE = 6


class Purse:
    """Money kept as a trait of the card; enough of a feature to try the point."""

    feature = "purse"
    title = "Purse"

    async def available(
        self, session: AsyncSession, *, merchant_id: UUID, pass_id: UUID, now: datetime
    ) -> int:
        """Return what the trait says."""
        card = await get_card_row(session, merchant_id, pass_id)
        return int(find_trait(card, "purse").get("held", 0))

    async def spend(self, spending: TenderSpending) -> None:
        """Take it off."""
        card = await lock_card(spending.session, spending.merchant_id, spending.pass_id)
        left = int(find_trait(card, "purse")["held"]) - spending.amount_minor
        assert left >= 0
        set_trait(card, "purse", {"held": left} if left else {})


@pytest.fixture
def purse() -> Iterator[None]:
    """Offer the purse while the test runs."""
    before = dict(TENDER.items())
    TENDER.bind({**before, "purse": Purse()})
    yield
    TENDER.bind(before)


async def open_with_purse(open_shop: Any, held: int, *, is_on: bool = True, **over: Any) -> tuple[Any, Any]:
    """Return a shop, and a card that holds so much."""
    shop = await open_shop("points", **over)
    card = await shop.card(columns={"traits": {"purse": {"held": held}}})
    if is_on:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await session.execute(
                update(Merchant).where(Merchant.id == shop.merchant.id).values(modules_on=["purse"])
            )
    return shop, card


@pytest.mark.usefixtures("purse")
async def test_a_part_is_paid_once_for_a_key(open_shop: Any) -> None:
    """Five of twenty euros come from the card, once; the same key answers again, another part is another request."""
    shop, card = await open_with_purse(open_shop, 800)

    first = await shop.points(card, "20.00", key="one", tenders={"purse": "5.00"})
    again = await shop.points(card, "20.00", key="one", tenders={"purse": "5.00"})
    other = await shop.points(card, "20.00", key="one", tenders={"purse": "6.00"})

    assert first.status_code == 201
    assert first.json()["points_added"] == 20
    assert first.json()["explanation"][-1] == {
        "rule": "tender.purse", "points": "0", "detail": "", "amount_minor": -500,
    }  # fmt: skip
    assert again.json() == first.json()
    assert other.json()["code"] == "key_reused"
    assert (await shop.row(card)).traits == {"purse": {"held": 300}}
    shown = explain_visit(first.json()["explanation"], points=20, currency="EUR")
    assert [line.text for line in shown] == ["For your purchase", "Paid with Purse"]


@pytest.mark.usefixtures("purse")
@pytest.mark.parametrize(
    ("amount", "part", "is_on", "code"),
    [
        ("20.00", {"purse": "5.01"}, True, "credit_short"),
        ("4.00", {"purse": "4.01"}, True, "invalid"),
        ("20.00", {"purse": "5.00"}, False, "invalid"),
        ("20.00", {"unknown": "1.00"}, True, "invalid"),
        ("20.00", {"purse": "1.001"}, True, "invalid"),
    ],
)
async def test_what_cannot_be_paid_gives_nothing(
    open_shop: Any, amount: str, part: dict[str, str], is_on: bool, code: str
) -> None:
    """More than is held or bought, a switched-off feature, an unknown one: refused, with nothing given or taken."""
    shop, card = await open_with_purse(open_shop, 500, is_on=is_on)

    refused = await shop.points(card, amount, tenders=part)

    assert refused.json()["code"] == code
    assert await shop.count(Visit) == 0
    row = await shop.row(card)
    assert (row.traits, row.points_balance) == ({"purse": {"held": 500}}, 0)


@pytest.mark.usefixtures("purse")
async def test_parallel_purchases_never_spend_twice(open_shop: Any) -> None:
    """Six tills want two of five euros at once: two get them, four are told that there is not so much."""
    shop, card = await open_with_purse(open_shop, 500, visits_per_day=0)

    answers = await asyncio.gather(
        *(shop.points(card, "10.00", tenders={"purse": "2.00"}) for _ in range(AT_ONCE))
    )

    codes = sorted(answer.json().get("code", "given") for answer in answers)
    assert codes == ["credit_short"] * 4 + ["given"] * 2
    assert (await shop.row(card)).traits == {"purse": {"held": 100}}


async def test_a_feature_may_refuse_a_void(open_shop: Any) -> None:
    """Asked before anything moves, with the visit's lines; a manager who insists is not refused."""
    shop = await open_shop("points")
    card = await shop.card()
    visit = (await shop.points(card, "12.00")).json()["visit_id"]
    seen: list[VoidingContext] = []

    async def is_spent(asked: VoidingContext) -> list[Refusal]:
        seen.append(asked)
        return [] if asked.forced else [Refusal("already_spent")]

    before = VOID_REFUSAL.bound
    VOID_REFUSAL.bind([*before, Bound("purse", False, 100, is_spent)])
    try:
        refused = await shop.void("visits", visit)
        assert refused.json()["code"] == "already_spent"
        assert (await shop.row(card)).points_balance == 12
        forced = await shop.void("visits", visit, pin=shop.manager_pin, force=True)
        assert forced.status_code == 201, forced.text
    finally:
        VOID_REFUSAL.bind(before)
    assert [line["rule"] for line in seen[0].lines] == ["rate"]
    assert (await shop.row(card)).points_balance == 0
