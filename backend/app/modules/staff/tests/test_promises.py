"""promises.md 1, shown from outside: guesses over HTTP with the real Argon2, honest stamps meanwhile, and controls."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx2
import pytest
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.main import create_app
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff import pins, queries
from app.modules.staff.factories import MadeDevice, make_device, make_staff
from app.modules.staff.models import PinAttempt
from app.modules.staff.pins import PinHasher
from app.modules.stores.factories import make_store
from app.utils.security import Keyring, pin_verifier

GUESSES = 10_000
ADDRESSES = 50
NEW_CARDS = 20
HONEST_EVERY = 100
GENEROUS = {"cooldown_minutes": 0, "visits_per_day": 1_000, "full_card": "carry_on"}


@dataclass
class Shop:
    """A shop under attack: its staff's PIN, a shift on its device, customers who come every day."""

    store_id: str
    merchant_id: object
    pin: str
    device: MadeDevice
    strangers: list[MadeCard]
    regulars: list[MadeCard]


@dataclass
class Storm:
    """What came of an attack: answers to guesses, and the status of each honest stamp."""

    guesses: Counter[str] = field(default_factory=Counter)
    on_device: list[int] = field(default_factory=list)
    on_known_cards: list[int] = field(default_factory=list)


@pytest.fixture
def evaluated(process):
    """Return the wrong PINs that were really computed, with the real Argon2; the right one is left out."""
    real = process.resources.get(PinHasher)
    computed: list[str] = []

    def compute(keyring, pin, *, salt, pepper_version):
        if pin.startswith("7"):
            computed.append(pin)
        return pin_verifier(keyring, pin, salt=salt, pepper_version=pepper_version)

    process.resources.put(PinHasher, PinHasher(process.resources.get(Keyring), compute=compute))
    yield computed
    process.resources.put(PinHasher, real)


async def open_shop(database: Database, evaluated: list[str]) -> Shop:
    """Make a shop none of whose PINs begins with the guesses' 7."""
    pin = "7"
    while pin.startswith("7"):
        store = await make_store(database, await make_merchant(database), **GENEROUS)
        _staff_id, pin = await make_staff(database, store)
    # Drawing one that began so was computed, too.
    evaluated.clear()
    device = await make_device(database, store, pin=pin)
    known = {"known_stores": [store.id]}
    return Shop(
        str(store.id),
        store.merchant_id,
        pin,
        device,
        [await make_card(database, store) for _n in range(NEW_CARDS)],
        [await make_card(database, store, columns=known) for _n in range(5)],
    )


async def stamp(client: httpx2.AsyncClient, shop: Shop, card: MadeCard, pin: str, **headers: str):
    """Type a PIN on a customer's phone."""
    body = {"pass_id": card.card_number, "staff_pin": pin}
    return await client.post(f"/stamp/{shop.store_id}", json=body, headers=headers)


async def rage(app, shop: Shop, clock: FixedClock, *, guesses: int = GUESSES, forged: bool = False) -> Storm:
    """Guess for an hour from fifty addresses over twenty new cards, with honest stamps between."""
    storm, dice = Storm(), random.Random(7)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app=app, client=(f"198.51.100.{n + 1}", 40_000)),
                    base_url="http://testserver",
                )
            )
            for n in range(ADDRESSES)
        ]
        for number in range(guesses):
            clock.advance(seconds=3_600 / guesses)
            forgery = ".".join(str(dice.randrange(1, 255)) for _n in range(4))
            headers = {"X-Forwarded-For": forgery} if forged else {}
            answer = await stamp(
                clients[number % ADDRESSES],
                shop,
                shop.strangers[number % NEW_CARDS],
                f"7{number:05}",
                **headers,
            )
            storm.guesses[answer.json()["code"]] += 1
            if number % HONEST_EVERY == 0:
                regular = shop.regulars[number // HONEST_EVERY % len(shop.regulars)]
                known = await stamp(clients[0], shop, regular, shop.pin)
                storm.on_known_cards.append(known.status_code)
                body = {"pass_id": regular.card_number}
                given = await clients[0].post("/device/visits", json=body, headers=shop.device.headers)
                storm.on_device.append(given.status_code)
    return storm


async def count_wrong(database: Database, shop: Shop) -> int:
    """Count the attempts that stand in the database."""
    async with tenant_scope(database, shop.merchant_id) as session:
        return await session.scalar(select(func.count()).where(PinAttempt.refunded_at.is_(None)))


def assert_holds(storm: Storm, evaluated: list[str]) -> None:
    """At most twenty guesses were computed; every staff device and 99 % of the known cards went on."""
    assert len(evaluated) == 20
    assert storm.guesses["pin_wrong"] == 20
    assert set(storm.guesses) == {"pin_wrong", "pin_blocked"}
    assert storm.on_device == [201] * len(storm.on_device)
    assert storm.on_known_cards.count(201) >= 0.99 * len(storm.on_known_cards)


async def test_10000_guesses_an_hour_are_20_evaluated_while_the_shop_goes_on(app, database, clock, evaluated):
    """10,000 guesses from 50 addresses over 20 new cards, another X-Forwarded-For on each: 20 are evaluated.

    All stamps on the staff device and all on known cards are given meanwhile; a new card is told to wait.
    """
    shop = await open_shop(database, evaluated)
    storm = await rage(app, shop, clock, forged=True)
    assert_holds(storm, evaluated)
    assert sum(storm.guesses.values()) == GUESSES
    assert len(storm.on_device) == len(storm.on_known_cards) == 100
    assert await count_wrong(database, shop) == 20


@pytest.fixture
async def hanging_port():
    """Return the port of a server that accepts and never answers."""
    release = asyncio.Event()

    async def never(reader, writer):
        await release.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    release.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("redis", ["absent", "dead", "hanging"])
async def test_the_limits_hold_whatever_becomes_of_redis(
    process, settings, database, clock, evaluated, hanging_port, redis
):
    """PIN limits stand in PostgreSQL: without Redis, with a dead and with a hanging one 20 are evaluated."""
    ports = {"dead": 1, "hanging": hanging_port}
    url = f"redis://127.0.0.1:{ports[redis]}/0" if redis in ports else ""
    app = create_app(settings.model_copy(update={"redis_url": url, "web_processes": 2}), process=process)
    shop = await open_shop(database, evaluated)
    started = time.perf_counter()
    storm = await rage(app, shop, clock, guesses=500)
    seconds = time.perf_counter() - started
    assert_holds(storm, evaluated)
    # A wait of a quarter of a second at each request would be more than two minutes.
    assert seconds < 30


async def test_control_without_the_limits_every_guess_is_evaluated(
    app, database, clock, evaluated, monkeypatch
):
    """The control: with the reservation's condition and the look before it gone, the storm is computed whole."""
    unguarded = str(queries.RESERVE).replace(f"WHERE {queries.HAS_ROOM}", "")
    assert unguarded != str(queries.RESERVE)
    monkeypatch.setattr(queries, "RESERVE", queries._statement(unguarded))  # noqa: SLF001 - the guard's own seam
    monkeypatch.setattr(pins, "decide_gate", lambda gate: None)
    shop = await open_shop(database, evaluated)
    storm = await rage(app, shop, clock, guesses=100)
    assert len(evaluated) == 100
    assert storm.guesses == {"pin_wrong": 100}


async def test_control_the_storm_does_close_the_way_of_new_cards(app, database, clock, evaluated):
    """The control of "meanwhile": a new card with the right PIN must wait, so the limits were really full."""
    shop = await open_shop(database, evaluated)
    await rage(app, shop, clock, guesses=100)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://testserver"
    ) as client:
        answer = await stamp(client, shop, shop.strangers[0], shop.pin)
    assert (answer.status_code, answer.json()["code"]) == (429, "pin_blocked")


@pytest.mark.parametrize(
    ("trusted", "computed"), [((), 20), (("127.0.0.1/32",), 40)], ids=["none", "control"]
)
async def test_forwarded_addresses_are_believed_from_configured_proxies_only(
    process, settings, database, clock, evaluated, trusted, computed
):
    """One machine forging an address a guess spends its 20 an hour over a merchant's stores.

    The control: where its own address is a configured proxy, each forged address has an allowance of its own,
    and only the stores' limits of new cards are left, 20 each.
    """
    app = create_app(settings.model_copy(update={"trusted_proxies": trusted}), process=process)
    merchant = await make_merchant(database)
    stores = [await make_store(database, merchant) for _n in range(2)]
    cards = [[await make_card(database, store) for _n in range(10)] for store in stores]
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for number in range(60):
            which = number % 2
            body = {"pass_id": cards[which][number // 2 % 10].card_number, "staff_pin": f"7{number:05}"}
            forged = {"X-Forwarded-For": f"203.0.113.{number + 1}"}
            await client.post(f"/stamp/{stores[which].id}", json=body, headers=forged)
    assert len(evaluated) == computed
