"""Stamps over HTTP: what a visit gives, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.modules.cards.models import PassObject
from app.modules.staff.models import PinAttempt
from app.modules.stamps.models import StampEvent
from app.modules.visits import rules as visit_rules
from app.modules.visits.models import Visit
from app.modules.wallets.models import CardRefresh


async def test_a_stamp_is_counted_once_everywhere(open_shop: Any, clock: Any) -> None:
    """One stamp writes one visit, one entry, one mark, and answers with the exact state."""
    shop = await open_shop(stamps_needed=10, cooldown_minutes=10)
    card = await shop.card()

    response = await shop.stamp(card)

    assert response.status_code == 201
    body = response.json()
    assert body["stamp_count"] == 1
    assert body["stamps_needed"] == 10
    assert body["points_balance"] == 0
    assert body["reward_unlocked"] is False
    assert body["given_by"] == "Marie"
    assert body["next_possible_at"] == (clock.now() + timedelta(minutes=10)).isoformat().replace(
        "+00:00", "Z"
    )
    assert body["next_reward"]["missing"] == 9
    assert [await shop.count(model) for model in (Visit, StampEvent, CardRefresh)] == [1, 1, 1]
    assert (await shop.row(card)).revision == 2
    assert await shop.violations() == []


async def test_a_wrong_pin_gives_no_stamp_but_counts(open_shop: Any) -> None:
    """A wrong PIN leaves the card as it was and records one attempt."""
    shop = await open_shop()
    card = await shop.card()

    response = await shop.stamp(card, staff_pin="000000" if shop.pin != "000000" else "111111")

    assert response.status_code == 403
    assert response.json()["code"] == "pin_wrong"
    assert await shop.count(StampEvent) == 0
    assert await shop.count(PinAttempt, refunded_at=None) == 1


async def test_a_right_pin_with_an_unknown_card_answers_like_a_wrong_one(open_shop: Any) -> None:
    """Nobody learns from an unknown card whether a PIN is right, and no attempt is counted."""
    shop = await open_shop()

    right = await shop.stamp(uuid4())
    wrong = await shop.stamp(uuid4(), staff_pin="0000")

    assert (right.status_code, right.json()) == (wrong.status_code, wrong.json())
    assert right.json()["code"] == "not_found"
    assert await shop.count(PinAttempt) == 0


async def test_another_merchants_card_and_another_programmes_store_are_unknown(open_shop: Any) -> None:
    """A foreign card is not found in this store, and nothing happens to it."""
    shop, other = await open_shop(), await open_shop()
    foreign = await other.card()

    response = await shop.stamp(foreign)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert await other.count(StampEvent) == 0


async def test_the_cooldown_refuses_until_it_is_over(open_shop: Any, clock: Any) -> None:
    """Within the cooldown a stamp is refused with the time, at its end it is given."""
    shop = await open_shop(cooldown_minutes=10)
    card = await shop.card()
    await shop.stamp(card)

    clock.advance(minutes=9, seconds=59)
    refused = await shop.stamp(card)
    clock.advance(seconds=1)
    given = await shop.stamp(card)

    assert refused.status_code == 409
    assert refused.json()["code"] == "too_soon"
    assert refused.headers["retry-after"] == "1"
    assert given.json()["stamp_count"] == 2


async def test_the_daily_cap_counts_visits_and_ends_at_the_stores_midnight(
    open_shop: Any, clock: Any
) -> None:
    """With a cap of two the third visit of the day waits for the next day in the store's zone."""
    shop = await open_shop(cooldown_minutes=0, visits_per_day=2)
    card = await shop.card()
    await shop.stamp(card)
    await shop.stamp(card)

    refused = await shop.stamp(card)
    clock.advance(hours=14)  # 09:00 UTC + 14 h = 23:00 UTC, midnight in Luxembourg
    given = await shop.stamp(card)

    assert refused.json()["code"] == "daily_cap"
    assert refused.json()["retry_at"].startswith("2026-11-20T23:00:00")
    assert given.status_code == 201


async def test_a_full_card_takes_no_stamp(open_shop: Any) -> None:
    """At the threshold the reward is unlocked, and one more is refused."""
    shop = await open_shop(stamps_needed=3, cooldown_minutes=0)
    card = await shop.card(stamps=2)

    last = await shop.stamp(card)
    refused = await shop.stamp(card)

    assert last.json()["reward_unlocked"] is True
    assert last.json()["rewards"][0]["waiting"] == 1
    assert refused.json()["code"] == "card_full"
    assert (await shop.row(card)).stamp_count == 3


async def test_a_visit_that_would_overfill_gives_what_fits(open_shop: Any) -> None:
    """Five asked for with one place left: one is given, four are left over."""
    shop = await open_shop(stamps_needed=3, cooldown_minutes=0)
    card = await shop.card(stamps=2)

    body = (await shop.stamp(card, quantity=5)).json()

    assert (body["stamp_count"], body["stamps_added"], body["stamps_left_over"]) == (3, 1, 4)


async def test_carry_on_banks_the_reward_and_starts_the_next_card(open_shop: Any) -> None:
    """A programme that carries on sets the full card aside and keeps the rest."""
    shop = await open_shop(stamps_needed=3, cooldown_minutes=0, full_card="carry_on")
    card = await shop.card(stamps=2)

    body = (await shop.stamp(card, quantity=5)).json()

    assert (body["stamp_count"], body["rewards"][0]["waiting"], body["reward_unlocked"]) == (1, 2, True)
    assert await shop.count(StampEvent, kind="bank") == 1
    assert await shop.violations() == []


@pytest.mark.parametrize("quantity", [0, -1, 101, 1000, 1.5, "2", True, None])
async def test_odd_quantities_are_refused(open_shop: Any, quantity: Any) -> None:
    """Only whole numbers from 1 to 100 are quantities."""
    shop = await open_shop()
    card = await shop.card()

    response = await shop.stamp(card, quantity=quantity)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid"
    assert await shop.count(StampEvent) == 0


async def test_a_points_shop_gives_no_stamps(open_shop: Any) -> None:
    """A stamp at a points shop is refused as the wrong kind."""
    shop = await open_shop("points")
    card = await shop.card()

    response = await shop.stamp(card)

    assert response.json()["code"] == "wrong_loyalty_type"
    assert await shop.count(Visit) == 0


async def test_the_same_key_gives_one_stamp_and_one_answer(open_shop: Any) -> None:
    """A repeated request gets the first answer; the same key with another body is refused."""
    shop = await open_shop(cooldown_minutes=10)
    card = await shop.card()

    first = await shop.stamp(card, key="k1")
    again = await shop.stamp(card, key="k1")
    other = await shop.stamp(card, key="k1", quantity=2)

    assert first.json() == again.json()
    assert again.status_code == 201
    assert other.status_code == 422
    assert other.json()["code"] == "key_reused"
    assert await shop.count(StampEvent) == 1


async def test_a_replay_needs_a_valid_credential(open_shop: Any) -> None:
    """The stored answer is not shown to somebody with a wrong PIN."""
    shop = await open_shop()
    card = await shop.card()
    await shop.stamp(card, key="k1")

    response = await shop.stamp(card, key="k1", staff_pin="0000")

    assert response.json()["code"] == "pin_wrong"


async def test_a_refused_stamp_does_not_use_up_its_key(open_shop: Any, clock: Any) -> None:
    """After the cooldown the same request with the same key is given."""
    shop = await open_shop(cooldown_minutes=10)
    card = await shop.card()
    await shop.stamp(card, key="k1")
    assert (await shop.stamp(card, key="k2")).json()["code"] == "too_soon"
    clock.advance(minutes=10)

    assert (await shop.stamp(card, key="k2")).json()["stamp_count"] == 2


async def test_fifty_at_once_with_one_key_are_one_stamp(open_shop: Any) -> None:
    """Fifty simultaneous repeats of one request write one entry and all get the same answer."""
    shop = await open_shop(cooldown_minutes=0, visits_per_day=0)
    card = await shop.card()
    await shop.stamp(card, key="warm")

    answers = await asyncio.gather(*(shop.stamp(card, key="same") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await shop.count(StampEvent) == 2


async def test_a_hundred_at_once_within_the_cooldown_are_one_stamp(open_shop: Any) -> None:
    """A hundred simultaneous stamps on one card give one; the others are told that it is too soon.

    The process has not seen the PIN before: it is computed once, and nobody is blocked.
    """
    shop = await open_shop(cooldown_minutes=10)
    card = await shop.card()

    answers = await asyncio.gather(*(shop.stamp(card) for _ in range(100)))

    codes = [answer.json().get("code", "given") for answer in answers]
    assert codes.count("given") == 1
    assert codes.count("too_soon") == 99
    assert await shop.count(StampEvent, pass_id=card.id) == 1
    assert await shop.violations() == []


@pytest.mark.parametrize("guard", ["lock", "version"])
async def test_control_without_the_guard_a_hundred_at_once_are_more(
    open_shop: Any, database: Any, monkeypatch: Any, guard: str
) -> None:
    """Without FOR UPDATE on the ordinary way, or the row's version on the short one, several get through."""
    from app.modules.visits import statements

    if guard == "lock":
        monkeypatch.setattr(database, "direct", None)
        for name in ("LOAD", "LOAD_WITH_PIN"):
            unlocked = getattr(statements, name).replace("FOR UPDATE OF card", "")
            monkeypatch.setattr(statements, name, unlocked)
    else:
        unsure = statements.WRITE_AT_ONCE.replace("xmin::text = $30", "$30::text <> ''")
        assert unsure != statements.WRITE_AT_ONCE
        monkeypatch.setattr(statements, "WRITE_AT_ONCE", unsure)
    shop = await open_shop(cooldown_minutes=10)
    card = await shop.card()
    assert (await shop.stamp(await shop.card())).status_code == 201  # the PIN is remembered from here on

    answers = await asyncio.gather(*(shop.stamp(card) for _ in range(100)))

    assert [answer.status_code for answer in answers].count(201) > 1


async def test_the_card_number_works_like_the_pass_id(open_shop: Any) -> None:
    """A typed number with spaces and small letters finds the card; a typing slip does not."""
    shop = await open_shop()
    card = await shop.card()
    number = card.card_number

    given = await shop.stamp(f" {number[:4].lower()} {number[4:8]}-{number[8:]} ")
    slip = await shop.stamp(number[:-1] + ("0" if number[-1] != "0" else "1"))

    assert given.status_code == 201
    assert given.json()["pass_id"] == str(card.id)
    assert slip.json()["code"] == "not_found"


async def test_a_blocked_card_is_refused_without_looking_at_the_pin(open_shop: Any) -> None:
    """A blocked card says so, and no PIN attempt is made."""
    shop = await open_shop()
    card = await shop.card(columns={"status": "blocked"})

    response = await shop.stamp(card, staff_pin="0000")

    assert response.json()["code"] == "card_blocked"
    assert await shop.count(PinAttempt) == 0
    assert await shop.count(PassObject, status="blocked") == 1


def test_midnight_is_the_stores() -> None:
    """The day's end is the store's midnight, also on the day the clocks change."""
    from datetime import UTC, datetime

    before_change = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert visit_rules.next_day_starts(before_change, "Europe/Luxembourg") == datetime(
        2026, 10, 25, 23, tzinfo=UTC
    )
