"""Guessing over HTTP at the seed's path: what the limits count, whatever the headers say."""

from __future__ import annotations

import asyncio
from collections import Counter

from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.staff.models import PinAttempt
from app.modules.stores.factories import make_store
from app.modules.visits import service as award_service
from app.utils.id_generator import new_card_number, new_id

WRONG = "000000"


async def test_forwarded_addresses_are_not_believed(client, database, counter):
    """A new X-Forwarded-For with each guess opens nothing: it is still one address, and 20 are looked at."""
    store = await make_store(database, await make_merchant(database))
    await make_staff(database, store)
    cards = [await make_card(database, store) for _n in range(25)]
    counter.calls = 0
    codes = Counter()
    for number, card in enumerate(cards):
        response = await client.post(
            f"/stamp/{store.id}",
            json={"pass_id": card.card_number, "staff_pin": WRONG},
            headers={"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"},
        )
        codes[response.json()["code"]] += 1
    assert codes == {"pin_wrong": 20, "pin_blocked": 5}
    assert counter.calls == 20
    async with tenant_scope(database, store.merchant_id) as session:
        addresses = await session.scalar(select(func.count(func.distinct(PinAttempt.address_key))))
    assert addresses == 1


async def test_200_requests_at_once_are_5_evaluations_and_none_hangs(client, database, counter):
    """Two hundred simultaneous requests: five looked at, all answered; the staff device stamps meanwhile."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    device = await make_device(database, store, pin=pin)
    card, honest = await make_card(database, store), await make_card(database, store)
    counter.calls = 0

    async def guess(number: int) -> str:
        body = {"pass_id": card.card_number, "staff_pin": f"9{number:05}"}
        return (await client.post(f"/stamp/{store.id}", json=body)).json()["code"]

    stamp = client.post("/device/visits", json={"pass_id": honest.card_number}, headers=device.headers)
    stamped, *codes = await asyncio.gather(stamp, *(guess(number) for number in range(200)))
    assert Counter(codes) == {"pin_wrong": 5, "pin_blocked": 195}
    assert counter.calls == 5
    assert stamped.status_code == 201


async def test_unknown_card_answers_the_same_to_right_and_wrong_pins(client, database, counter):
    """404 with a right PIN and with a wrong one, byte for byte, and no PIN was looked at."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    counter.calls = 0
    body = {"pass_id": new_card_number()}
    answers = [
        await client.post(f"/stamp/{store.id}", json=body | {"staff_pin": typed}) for typed in (pin, WRONG)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert counter.calls == 0


async def test_a_remembered_pin_with_an_unknown_card_takes_the_reads_of_a_wrong_one(
    client, database, monkeypatch
):
    """Such attempts are counted nowhere: the time they take must not tell a PIN that was used lately."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    card = await make_card(database, store)
    given = await client.post(f"/stamp/{store.id}", json={"pass_id": str(card.id), "staff_pin": pin})
    assert given.status_code == 201
    reads: list[str] = []
    for name in ("find_award_card", "load_award"):
        real = getattr(award_service, name)

        async def counted(*args, _real=real, _name=name, **kwargs):
            reads.append(_name + ("" if kwargs.get("pin") is None else " with a PIN"))
            return await _real(*args, **kwargs)

        monkeypatch.setattr(award_service, name, counted)

    for unknown in (str(new_id()), new_card_number()):
        seen = []
        for typed in (pin, WRONG):
            reads.clear()
            answer = await client.post(f"/stamp/{store.id}", json={"pass_id": unknown, "staff_pin": typed})
            assert answer.status_code == 404
            seen.append(sorted(reads))
        assert seen[0] == seen[1]
