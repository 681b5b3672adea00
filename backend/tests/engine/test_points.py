"""Points over HTTP: purchases, hybrid visits, amounts that are none."""

from __future__ import annotations

from typing import Any

import pytest

from app.modules.points.models import PointsEvent, PointsLot
from app.modules.stamps.models import StampEvent
from app.modules.visits.models import Visit


async def test_59_90_at_one_point_a_euro_is_59_points(open_shop: Any) -> None:
    """The seed's example, rounded down, with the amount kept in cents."""
    shop = await open_shop("points")
    card = await shop.card()

    body = (await shop.points(card, 59.90)).json()

    assert (body["points_added"], body["points_balance"], body["stamp_refused"]) == (59, 59, None)
    assert body["next_reward"]["missing"] == 41
    assert body["explanation"] == [{"rule": "rate", "points": "59.9", "detail": "1", "amount_minor": 0}]
    assert await shop.count(Visit, amount_minor=5990) == 1
    assert await shop.count(PointsLot, remaining=59) == 1


@pytest.mark.parametrize(
    ("rounding", "rate", "amount", "points"),
    [
        ("down", "1", "59.99", 59),
        ("half_up", "1", "59.50", 60),
        ("up", "1", "59.01", 60),
        ("down", "0.5", "3.00", 1),
        ("down", "10", "0.09", 0),
        ("half_up", "0.1", "14.99", 1),
    ],
)
async def test_rate_and_rounding_are_exact(
    open_shop: Any, rounding: str, rate: str, amount: str, points: int
) -> None:
    """Each rounding gives the exact number, computed in decimals."""
    shop = await open_shop("points", rounding=rounding, points_per_unit=rate)
    card = await shop.card()

    assert (await shop.points(card, amount)).json()["points_added"] == points


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "Infinity",
        -5,
        0,
        -0.0,
        False,
        True,
        "1,5",
        "1e309",
        "1e3",
        10**12,
        "",
        None,
        [],
        {},
        "٣",
        1.005,
        "5.001",
    ],
)
async def test_what_is_no_amount_is_refused(open_shop: Any, amount: Any) -> None:
    """Anything but a plain positive amount with the currency's decimals is invalid, and nothing happens."""
    shop = await open_shop("points")
    card = await shop.card()

    response = await shop.points(card, amount)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid"
    assert await shop.count(Visit) == 0


async def test_raw_json_numbers_beyond_json_are_refused(open_shop: Any) -> None:
    """NaN and 1e309 as bare JSON tokens are invalid, not a crash."""
    shop = await open_shop("points")
    card = await shop.card()

    for token in ("NaN", "Infinity", "-Infinity", "1e309", "-0"):
        body = f'{{"pass_id": "{card.id}", "staff_pin": "{shop.pin}", "amount": {token}}}'
        response = await shop.client.post(
            f"/points/{shop.store.id}", content=body, headers={"content-type": "application/json"}
        )
        assert (response.status_code, response.json()["code"]) == (422, "invalid"), token
    assert await shop.count(Visit) == 0


async def test_the_cooldown_never_holds_up_points(open_shop: Any) -> None:
    """Two purchases in a row both count."""
    shop = await open_shop("points", cooldown_minutes=60)
    card = await shop.card()
    await shop.points(card, "10")

    assert (await shop.points(card, "10")).json()["points_balance"] == 20


async def test_a_hybrid_purchase_brings_a_stamp_along(open_shop: Any) -> None:
    """Points and one stamp in one visit; when the stamp is too soon, points only, with the reason."""
    shop = await open_shop("hybrid", cooldown_minutes=10)
    card = await shop.card()

    first = (await shop.points(card, "10.00")).json()
    second = (await shop.points(card, "10.00")).json()

    assert (first["points_balance"], first["stamp_count"], first["stamp_refused"]) == (10, 1, None)
    assert (second["points_balance"], second["stamp_count"], second["stamp_refused"]) == (20, 1, "too_soon")
    assert await shop.count(Visit) == 2
    assert await shop.count(StampEvent) == 1
    assert await shop.violations() == []


async def test_a_hybrid_stamp_gives_no_points(open_shop: Any) -> None:
    """POST /stamp at a hybrid shop gives a stamp only."""
    shop = await open_shop("hybrid")
    card = await shop.card()

    body = (await shop.stamp(card)).json()

    assert (body["stamp_count"], body["points_balance"]) == (1, 0)
    assert await shop.count(PointsEvent) == 0


async def test_a_full_hybrid_card_still_takes_points(open_shop: Any) -> None:
    """The stamp is refused as full, the points are given."""
    shop = await open_shop("hybrid", stamps_needed=2)
    card = await shop.card(stamps=2)

    body = (await shop.points(card, "5")).json()

    assert (body["points_balance"], body["stamp_count"], body["stamp_refused"]) == (5, 2, "card_full")


async def test_a_stamps_shop_takes_no_amounts(open_shop: Any) -> None:
    """Points at a stamps shop are refused as the wrong kind."""
    shop = await open_shop("stamps")
    card = await shop.card()

    assert (await shop.points(card, "5")).json()["code"] == "wrong_loyalty_type"
    assert await shop.count(Visit) == 0
