"""What is no amount, quantity, key, body or name: each refused with its code, and with nothing changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.utils.validators import clean_line
from tests.journeys.harmless import problems_of
from tests.journeys.naughty import NAUGHTY
from tests.journeys.place import Place, refused

AMOUNTS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "-5",
    "-0",
    "0",
    "0.0",
    "false",
    "true",
    "null",
    '"1,5"',
    "1e309",
    "1e12",
]
AMOUNTS += [
    '"1e3"',
    '""',
    '" "',
    '"abc"',
    '"0"',
    '"-5"',
    "[]",
    "{}",
    "[5]",
    '"59.905"',
    "59.905",
    "0.001",
    "1e-9",
]
AMOUNTS += ['"٣"', '"１"', '"$5"', '"+5"', '"0x10"', '"NaN"', "1" + "0" * 400, '"' + "9" * 5000 + '"']


@pytest.mark.parametrize("loyalty_type", ["points", "hybrid"])
async def test_bad_amounts(place: Place, loyalty_type: str) -> None:
    """What is no amount above zero with at most two decimals is refused before a PIN is looked at."""
    path, body = place.award(loyalty_type, await place.card(loyalty_type))
    del body["amount"]
    before = await place.snapshot()
    client = place.client()
    for amount in AMOUNTS:
        raw = json.dumps(body)[:-1] + f', "amount": {amount}}}'
        answer = await client.post(path, content=raw, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json().get("code")) == (422, "invalid"), (amount, answer.text)
    assert await place.snapshot() == before
    assert await place.attempts() == 0


async def test_bad_quantities(place: Place) -> None:
    """A quantity is a whole number from 1 to 100."""
    path, body = place.award("stamps", await place.card("stamps"))
    for quantity in (0, -1, 1000, 101, 1.5, "1", True, None, [], 10**30):
        await refused(place, path, body | {"quantity": quantity}, status=422, code="invalid")
    assert await place.attempts() == 0


async def test_bad_keys(place: Place) -> None:
    """A key is short and not empty."""
    path, body = place.award("stamps", await place.card("stamps"))
    for key in ("", "x" * 256, "x" * 30_000):
        await refused(place, path, body, status=422, code="invalid", headers={"Idempotency-Key": key})


NOT_BODIES = (
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b'{"pass_id": "\xed\xa0\x80"}',
    b"{" * 9000,
    b"[" * 90_000,
)


async def test_bodies_that_are_none(place: Place) -> None:
    """What is no JSON object is refused, not answered with a crash."""
    before = await place.snapshot()
    for path in (f"/stamp/{place.stores['stamps'].id}", "/passes/create", "/merchants", "/sessions"):
        client = place.client()
        for raw in NOT_BODIES:
            answer = await client.post(path, content=raw, headers={"Content-Type": "application/json"})
            seen = (answer.status_code, answer.json()["code"])
            assert seen == (422, "invalid"), (path, raw[:20], answer.text)
    assert await place.snapshot() == before


async def test_empty_names(place: Place) -> None:
    """A store, a team member and a business need a name; a customer does not."""
    gare = place.stores["stamps"].id
    owner = {"headers": place.merchant.headers}
    for name in ("", " ", "\u200b", "\u202e\u202c", "\n\t"):
        is_blank = not clean_line(name)
        if is_blank:
            store = {"name": name, "loyalty_type": "stamps"}
            await refused(place, "/stores", store, status=422, code="invalid", **owner)
            await refused(place, f"/stores/{gare}/staff", {"name": name}, status=422, code="invalid", **owner)
        made = await place.client().post("/passes/create", json={"store_id": str(gare), "name": name})
        assert made.status_code == 201


@pytest.mark.parametrize("length", [121, 900_000])
async def test_long_names(place: Place, length: int) -> None:
    """A name is at most 120 characters, wherever it is typed."""
    name = "x" * length
    gare = place.stores["stamps"].id
    owner = place.merchant.headers
    wish = {"name": name, "email": "a@example.com", "password": "plum-orchard-tandem-42"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/passes/create", {"store_id": str(gare), "name": name}),
        ("/stores", {"name": name, "loyalty_type": "stamps"}),
        (f"/stores/{gare}/staff", {"name": name}),
        ("/merchants", wish),
    ]
    for path, body in calls:
        await refused(place, path, body, status=422, code="invalid", headers=owner)


async def test_names_of_a_megabyte(place: Place) -> None:
    """A body above the limit is not read to its end."""
    body = {"store_id": str(place.stores["stamps"].id), "name": "x" * 1_048_576}
    await refused(place, "/passes/create", body, status=413, code="too_large")


def test_the_corpus_is_there() -> None:
    """More than 120 nasty strings, all different."""
    assert len(NAUGHTY) > 120
    assert len(set(NAUGHTY)) == len(NAUGHTY)


async def test_naughty_names_are_data(place: Place) -> None:
    """Every nasty name makes a card, is kept as cleaned, and shows on the card page as text only."""
    gare = place.stores["stamps"].id
    for name in NAUGHTY:
        client = place.client()
        made = await client.post("/passes/create", json={"store_id": str(gare), "name": name})
        assert made.status_code == 201, (name, made.text)
        page = await client.get(made.json()["card_url"], follow_redirects=True)
        assert page.status_code == 200, name
        assert problems_of(page.text) == [], name
        async with tenant_scope(place.database, place.merchant.id) as session:
            query = text(
                "SELECT name FROM customer c JOIN pass_object p ON p.customer_id = c.id WHERE p.id = :id"
            )
            stored = (await session.execute(query, {"id": made.json()["pass_id"]})).scalar_one()
        assert stored == (clean_line(name) or None), name


async def test_naughty_shop_names_are_data(place: Place) -> None:
    """The same for what a merchant types: a store and a reward, on the pages that show them."""
    owner = place.merchant.headers
    client = place.client()
    gare = place.stores["stamps"].id
    listed = (await client.get(f"/stores/{gare}/rewards", headers=owner)).json()["rewards"]
    reward = f"/stores/{gare}/rewards/{listed[0]['id']}"
    for number, name in enumerate(NAUGHTY):
        expected = 200 if clean_line(name) else 422
        for path, body in ((f"/stores/{gare}", {"name": name}), (reward, {"title": name})):
            changed = await client.patch(path, json=body, headers=owner)
            assert changed.status_code == expected, (name, changed.text)
        # Both pages show both names; in turn is enough.
        page = (f"/join/{gare}", f"/dashboard/stores/{gare}")[number % 2]
        shown = await client.get(page, headers={**owner, "Accept": "text/html"})
        assert shown.status_code == 200, (name, page)
        assert problems_of(shown.text) == [], (name, page)
