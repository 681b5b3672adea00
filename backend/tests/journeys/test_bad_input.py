"""What must not work: each with its code, and with nothing changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.ledger import INVARIANT
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.public import block_card
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_card_number
from app.utils.validators import clean_line
from tests.journeys.harmless import problems_of

NAUGHTY_FILE = Path(__file__).resolve().parents[1] / "data" / "naughty.txt"
NAUGHTY = [json.loads(line) for line in NAUGHTY_FILE.read_text().splitlines() if not line.startswith("#")]
TABLES = (
    "visit",
    "stamp_event",
    "points_event",
    "points_lot",
    "redemption",
    "idempotency_key",
    "card_refresh",
)
TABLES += (
    "pass_object",
    "customer",
    "consent_record",
    "store",
    "program",
    "reward",
    "staff_member",
    "audit_entry",
)
_addresses = count(1)


@dataclass
class Place:
    """A store of every loyalty type under one merchant, and a stranger's."""

    database: Database
    app: FastAPI
    merchant: MadeMerchant
    stores: dict[str, StoreView]
    pins: dict[str, str]
    stranger: StoreView
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self) -> httpx2.AsyncClient:
        """Return a client from an address of its own, so that no other test has used up its limits."""
        number = next(_addresses)
        address = (f"203.0.{number // 250}.{number % 250 + 1}", 40_000)
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False, client=address)
        self.clients.append(httpx2.AsyncClient(transport=transport, base_url="http://testserver"))
        return self.clients[-1]

    async def card(self, loyalty_type: str, **over: Any) -> MadeCard:
        """Make a card of one of the stores."""
        return await make_card(self.database, self.stores[loyalty_type], **over)

    async def snapshot(self) -> dict[str, Any]:
        """Return how many rows the merchant has in every table, and what all its cards hold."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = {
                name: (await session.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
                for name in TABLES
            }
            cards = await session.execute(text("SELECT to_jsonb(c) FROM pass_object c ORDER BY c.id"))
            assert [
                list(await check(session)) for _name, check in INVARIANT.items() if await check(session)
            ] == []
            return rows | {"cards": list(cards.scalars())}

    async def attempts(self) -> int:
        """Return how many wrong PINs are counted."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            query = "SELECT count(*) FROM pin_attempt WHERE refunded_at IS NULL"
            return int((await session.execute(text(query))).scalar_one())

    def award(self, loyalty_type: str, card: Any, **over: Any) -> tuple[str, dict[str, Any]]:
        """Return path and body of a good award at a store."""
        body = {"pass_id": str(getattr(card, "id", card)), "staff_pin": self.pins[loyalty_type]}
        if loyalty_type == "stamps":
            return f"/stamp/{self.stores['stamps'].id}", body | over
        return f"/points/{self.stores[loyalty_type].id}", body | {"amount": "59.90"} | over


@pytest_asyncio.fixture(loop_scope="session")
async def place(database: Database, app: FastAPI, clock: FixedClock) -> AsyncIterator[Place]:
    """Return a merchant with three stores, and another merchant."""
    merchant = await make_merchant(database)
    kinds = ("stamps", "points", "hybrid")
    stores = {kind: await make_store(database, merchant, kind, name=f"Store {kind}") for kind in kinds}
    pins = {kind: (await make_staff(database, store))[1] for kind, store in stores.items()}
    stranger = await make_store(database, await make_merchant(database), "stamps")
    made = Place(database, app, merchant, stores, pins, stranger)
    yield made
    for client in made.clients:
        await client.aclose()


async def refused(
    place: Place, path: str, body: Any, *, status: int, code: str, **options: Any
) -> dict[str, Any]:
    """Post, and see it refused with this code and nothing of the merchant's changed."""
    before = await place.snapshot()
    answer = await place.client().post(path, json=body, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await place.snapshot() == before
    return dict(answer.json())


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


async def test_bad_keys(place: Place) -> None:
    """A key is short and not empty."""
    path, body = place.award("stamps", await place.card("stamps"))
    for key in ("", "x" * 256, "x" * 30_000):
        await refused(place, path, body, status=422, code="invalid", headers={"Idempotency-Key": key})


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
