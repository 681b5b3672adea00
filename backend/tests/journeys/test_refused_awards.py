"""Who gets no stamp, no points and no reward: each with its code, and with nothing changed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.modules.cards.factories import make_card
from app.modules.cards.public import block_card
from app.modules.staff.factories import make_staff
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_card_number
from tests.journeys.place import Place, refused


async def test_wrong_pin(place: Place) -> None:
    """A wrong PIN gives nothing and is counted once."""
    path, body = place.award("stamps", await place.card("stamps"))
    wrong = "000000" if body["staff_pin"] != "000000" else "000001"
    await refused(place, path, body | {"staff_pin": wrong}, status=403, code="pin_wrong")
    assert await place.attempts() == 1


async def test_what_is_no_pin_is_not_even_looked_at(place: Place) -> None:
    """Anything but four to six digits is refused before an attempt is counted."""
    path, body = place.award("stamps", await place.card("stamps"))
    for pin in ("", "12", "1234567", "abcdef", "12 456", "１２３４５６", 123456, ["1"], {}):
        await refused(place, path, body | {"staff_pin": pin}, status=422, code="invalid")
    await refused(place, path, body | {"staff_pin": None}, status=401, code="unauthenticated")
    assert await place.attempts() == 0


@pytest.mark.parametrize("is_pin_right", [True, False], ids=["right PIN", "wrong PIN"])
async def test_unknown_and_foreign_cards_get_one_answer(place: Place, is_pin_right: bool) -> None:
    """No such card, another merchant's, another programme's: one answer, and no PIN looked at."""
    foreign = await make_card(place.database, place.stranger)
    other_program = await place.card("hybrid")
    unknown = [str(uuid4()), new_card_number(), "nonsense", "../..", "%00", "' OR 1=1 --"]
    answers = []
    for card in (
        *unknown,
        str(foreign.id),
        foreign.card_number,
        str(other_program.id),
        other_program.card_number,
    ):
        path, body = place.award("stamps", card)
        if not is_pin_right:
            body["staff_pin"] = "000000"
        problem = await refused(place, path, body, status=404, code="not_found")
        answers.append({name: value for name, value in problem.items() if name != "instance"})
    assert all(answer == answers[0] for answer in answers)
    assert await place.attempts() == 0


async def test_another_merchants_store(place: Place) -> None:
    """A card cannot be stamped at another merchant's store, by either's PIN."""
    card = await place.card("stamps")
    _, foreign_pin = await make_staff(place.database, place.stranger)
    for pin in (foreign_pin, place.pins["stamps"]):
        body = {"pass_id": str(card.id), "staff_pin": pin}
        await refused(place, f"/stamp/{place.stranger.id}", body, status=404, code="not_found")
    for unknown in (uuid4(), UUID(int=0)):
        await refused(place, f"/stamp/{unknown}", body, status=404, code="not_found")


async def test_blocked_card(place: Place) -> None:
    """A blocked card earns nothing, and no PIN is looked at."""
    card = await place.card("stamps")
    async with tenant_scope(place.database, place.merchant.id) as session:
        await block_card(session, place.merchant.id, card.id, now=FixedClock(place.stranger.created_at).now())
    path, body = place.award("stamps", card, staff_pin="000000")
    await refused(place, path, body, status=403, code="card_blocked")
    assert await place.attempts() == 0


async def test_wrong_loyalty_type(place: Place) -> None:
    """No stamps at a points shop, no amounts at a stamps shop."""
    card = await place.card("points")
    body = {"pass_id": str(card.id), "staff_pin": place.pins["points"]}
    path = f"/stamp/{place.stores['points'].id}"
    await refused(place, path, body, status=409, code="wrong_loyalty_type")
    card = await place.card("stamps")
    body = {"pass_id": str(card.id), "staff_pin": place.pins["stamps"], "amount": 5}
    path = f"/points/{place.stores['stamps'].id}"
    await refused(place, path, body, status=409, code="wrong_loyalty_type")


async def test_full_card(place: Place) -> None:
    """A full card takes no stamp."""
    path, body = place.award("stamps", await place.card("stamps", stamps=10))
    await refused(place, path, body, status=409, code="card_full")


async def test_cooldown_says_when(place: Place, clock: FixedClock) -> None:
    """A second stamp within ten minutes is refused with the moment it is possible from, and given then."""
    path, body = place.award("stamps", await place.card("stamps"))
    client = place.client()
    assert (await client.post(path, json=body)).status_code == 201
    clock.advance(minutes=9, seconds=59)
    problem = await refused(place, path, body, status=409, code="too_soon")
    assert datetime.fromisoformat(problem["retry_at"]) == datetime(2026, 11, 20, 9, 10, tzinfo=UTC)
    answer = await client.post(path, json=body)
    assert answer.headers["retry-after"] == "1"
    clock.advance(seconds=1)
    assert (await client.post(path, json=body)).json()["stamp_count"] == 2


async def test_key_reused_with_another_body(place: Place) -> None:
    """A key belongs to its first body; the PIN is no part of it, and no other card is meant by it."""
    path, body = place.award("hybrid", await place.card("hybrid"))
    key = {"Idempotency-Key": "till-1"}
    first = await place.client().post(path, json=body, headers=key)
    assert first.status_code == 201
    await refused(place, path, body | {"amount": "60"}, status=422, code="key_reused", headers=key)
    await refused(place, path, body | {"staff_pin": "000000"}, status=403, code="pin_wrong", headers=key)
    again = await place.client().post(path, json=body, headers=key)
    assert again.json() == first.json()


async def test_redeeming_what_is_not_there(place: Place) -> None:
    """Too little, an unknown reward, another merchant's reward, another programme's."""
    card = await place.card("stamps", stamps=9)
    path = f"/rewards/{place.stores['stamps'].id}/redeem"
    body = {"pass_id": str(card.id), "staff_pin": place.pins["stamps"]}

    async def reward_of(store: StoreView) -> str:
        async with tenant_scope(place.database, store.merchant_id) as session:
            query = text("SELECT id FROM reward WHERE program_id = :program AND kind = :kind")
            values = {"program": store.program.id, "kind": "stamps"}
            return str((await session.execute(query, values)).scalar_one())

    own = await reward_of(place.stores["stamps"])
    problem = await refused(place, path, body | {"reward_id": own}, status=409, code="not_enough")
    assert problem["missing"] == 1
    foreign = await reward_of(place.stranger)
    other = await reward_of(place.stores["hybrid"])
    for reward_id in (foreign, other, str(uuid4())):
        await refused(place, path, body | {"reward_id": reward_id}, status=404, code="not_found")
    await refused(place, path, body | {"reward_id": "nonsense"}, status=422, code="invalid")
