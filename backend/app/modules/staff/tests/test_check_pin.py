"""PINs on customers' phones: reserved before they are looked at (promises.md 1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from app.db.session import Database, tenant_scope
from app.dependencies import StoreRef
from app.kernel.clock import FixedClock
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.staff import queries
from app.modules.staff.factories import make_shared_pin, make_staff, system_of
from app.modules.staff.models import PinAttempt, StaffPin
from app.modules.staff.pins import PinHasher
from app.modules.staff.public import StaffRef, check_manager, check_pin
from app.modules.staff.service import end_membership, remove_shared_pin, rotate_pin
from app.modules.staff.tests.conftest import FakeCard
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.utils.security import Keyring, pin_verifier

WRONG = "000000"  # never drawn
HOME = "192.0.2.1"


def ref(store: StoreView) -> StoreRef:
    """Return the store as public routes name it."""
    return StoreRef(store.merchant_id, store.id)


async def ask(
    database: Database,
    store: StoreView,
    *,
    card: FakeCard | None,
    pin: str,
    at: FixedClock,
    address: str = HOME,
) -> StaffRef | Refusal:
    """Ask for a PIN in a transaction of its own, as a request does."""
    async with tenant_scope(database, store.merchant_id) as session:
        return await check_pin(session, ref(store), card=card, address=address, pin=pin, now=at.now())


async def count_attempts(database: Database, store: StoreView, *, refunded: bool = False) -> int:
    """Count the store's attempts that stand, or those that were given back."""
    async with tenant_scope(database, store.merchant_id) as session:
        is_refunded = PinAttempt.refunded_at.is_not(None) if refunded else PinAttempt.refunded_at.is_(None)
        statement = select(func.count()).where(PinAttempt.store_id == store.id, is_refunded)
        return (await session.execute(statement)).scalar_one()


async def test_right_pin_names_its_member(database, clock):
    """A right PIN says who gave the stamp and costs no attempt; this one runs with the real Argon2."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store, name="Marie")

    marie = StaffRef(staff_id, "Marie", "cashier", "pin")
    assert len(pin) == 6
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == marie
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == marie
    assert await count_attempts(database, store) == 0
    assert await count_attempts(database, store, refunded=True) == 1


async def test_shared_pin_names_nobody(database, clock, counter):
    """The store's shared PIN lets a shop stamp that names no staff; it gives no manager's rights."""
    store = await make_store(database, await make_merchant(database))
    pin = await make_shared_pin(database, store)

    staff = await ask(database, store, card=FakeCard(), pin=pin, at=clock)

    assert staff == StaffRef(None, "Shop PIN", "cashier", "shared_pin")
    assert check_manager(staff) == Refusal("manager_required")
    async with tenant_scope(database, store.merchant_id) as session:
        await remove_shared_pin(session, ref(store), by=system_of(store), now=clock.now())
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == Refusal("pin_wrong")


async def test_wrong_pin_is_counted(database, clock, counter):
    """A wrong PIN is refused, looked at once, and its attempt stays."""
    store = await make_store(database, await make_merchant(database))
    assert await ask(database, store, card=FakeCard(), pin=WRONG, at=clock) == Refusal("pin_wrong")
    assert counter.calls == 1
    assert await count_attempts(database, store) == 1


async def test_unknown_card_looks_at_no_pin(database, clock, counter):
    """A right PIN with an unknown card answers like a wrong one with an unknown card."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    counter.calls = 0
    answers = []
    for typed in (pin, WRONG):
        with pytest.raises(NotFound) as error:
            await ask(database, store, card=None, pin=typed, at=clock)
        answers.append((error.value.code, error.value.message, error.value.retry_at))
    assert answers[0] == answers[1]
    assert counter.calls == 0
    assert await count_attempts(database, store) == 0


async def test_pins_off_looks_at_no_pin(database, clock, counter):
    """Where PINs on customers' phones are off, a right one is refused like any other and not looked at."""
    store = await make_store(database, await make_merchant(database), phone_pins=False)
    _staff_id, pin = await make_staff(database, store)
    counter.calls = 0
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == Refusal("pins_off")
    assert counter.calls == 0


async def test_card_is_blocked_after_five_and_ten(database, clock, counter):
    """Five wrong PINs close a card for 15 minutes, ten for a day, to right PINs too; both end alone."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store)
    card = FakeCard(known_stores=frozenset({store.id}))
    start = clock.now()
    for _try in range(5):
        assert await ask(database, store, card=card, pin=WRONG, at=clock) == Refusal("pin_wrong")
    blocked = Refusal("pin_blocked", retry_at=start + timedelta(minutes=15))
    assert await ask(database, store, card=card, pin=pin, at=clock) == blocked
    clock.at = start + timedelta(minutes=15) - timedelta(microseconds=1)
    assert await ask(database, store, card=card, pin=pin, at=clock) == blocked
    clock.at = start + timedelta(minutes=15)
    for _try in range(5):
        assert await ask(database, store, card=card, pin=WRONG, at=clock) == Refusal("pin_wrong")
    blocked_all_day = Refusal("pin_blocked", retry_at=start + timedelta(days=1))
    clock.advance(minutes=15)
    assert await ask(database, store, card=card, pin=pin, at=clock) == blocked_all_day
    clock.at = start + timedelta(days=1)
    assert await ask(database, store, card=card, pin=pin, at=clock) == StaffRef(
        staff_id, "Marie", "cashier", "pin"
    )


async def test_remembered_pin_does_not_pass_a_block(database, clock, counter):
    """A PIN the process remembers is refused on a blocked card, as if it had been reserved and refunded."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    assert isinstance(await ask(database, store, card=FakeCard(), pin=pin, at=clock), StaffRef)
    card = FakeCard()
    for _try in range(5):
        await ask(database, store, card=card, pin=WRONG, at=clock)
    counter.calls = 0
    refusal = await ask(database, store, card=card, pin=pin, at=clock)
    assert refusal == Refusal("pin_blocked", retry_at=clock.now() + timedelta(minutes=15))
    assert counter.calls == 0


async def _guess_at_once(
    database: Database, store: StoreView, clock: FixedClock, *, guesses: int = 200
) -> list[str]:
    card = FakeCard(known_stores=frozenset({store.id}))
    guesses = (ask(database, store, card=card, pin=f"9{n:05}", at=clock) for n in range(guesses))
    return [answer.code for answer in await asyncio.gather(*guesses)]


@pytest.fixture
def slow_counter(process):
    """Count the real Argon2, whose time is what a race would use."""
    real = process.resources.get(PinHasher)
    calls: list[str] = []

    def compute(keyring, pin, *, salt, pepper_version):
        calls.append(pin)
        return pin_verifier(keyring, pin, salt=salt, pepper_version=pepper_version)

    process.resources.put(PinHasher, PinHasher(process.resources.get(Keyring), compute=compute))
    yield calls
    process.resources.put(PinHasher, real)


async def test_200_guesses_at_once_are_5_evaluations(database, clock, slow_counter):
    """Two hundred simultaneous wrong PINs against a limit of five are five evaluations."""
    store = await make_store(database, await make_merchant(database))
    codes = await _guess_at_once(database, store, clock)
    assert len(slow_counter) == 5
    assert sorted(codes) == ["pin_blocked"] * 195 + ["pin_wrong"] * 5


async def test_without_reservation_more_are_evaluated(database, clock, slow_counter, monkeypatch):
    """The control: where the reservation asks no limit, the race is lost."""
    store = await make_store(database, await make_merchant(database))
    unguarded = str(queries.RESERVE).replace(f"WHERE {queries.HAS_ROOM}", "")
    assert unguarded != str(queries.RESERVE)
    monkeypatch.setattr(queries, "RESERVE", queries._statement(unguarded))  # noqa: SLF001 - the guard's own seam
    await _guess_at_once(database, store, clock, guesses=30)
    assert len(slow_counter) > 5


@pytest.mark.parametrize(
    ("over_addresses", "looked_at"), [(False, 20), (True, 20)], ids=["one address", "many"]
)
async def test_new_cards_share_twenty_an_hour(database, clock, counter, over_addresses, looked_at):
    """Cards without a visit here answer together; known cards at that address only for themselves."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store)
    counter.calls = 0
    for number in range(30):
        address = f"198.51.100.{number}" if over_addresses else HOME
        await ask(database, store, card=FakeCard(), pin=WRONG, at=clock, address=address)
    assert counter.calls == looked_at
    refusal = await ask(database, store, card=FakeCard(), pin=pin, at=clock)
    assert refusal == Refusal("pin_blocked", retry_at=clock.now() + timedelta(hours=1))
    known = FakeCard(known_stores=frozenset({store.id}))
    assert await ask(database, store, card=known, pin=pin, at=clock) == StaffRef(
        staff_id, "Marie", "cashier", "pin"
    )


async def test_address_counts_across_the_merchants_stores(database, clock, counter):
    """An address spends its twenty an hour in all stores of a merchant; an IPv6 one with its whole /64."""
    merchant = await make_merchant(database)
    stores = [await make_store(database, merchant), await make_store(database, merchant)]
    counter.calls = 0
    for number in range(30):
        address = f"2001:db8:1:1::{number:x}"
        await ask(database, stores[number % 2], card=FakeCard(), pin=WRONG, at=clock, address=address)
    assert counter.calls == 20
    elsewhere = await ask(
        database, stores[0], card=FakeCard(), pin=WRONG, at=clock, address="2001:db8:1:2::1"
    )
    assert elsewhere == Refusal("pin_wrong")


async def test_known_card_with_a_days_wrong_pins_counts_as_new(database, clock, counter):
    """After ten wrong PINs a known card shares the new cards' room, until a right one."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    card = FakeCard(known_stores=frozenset({store.id}))
    for _try in range(10):
        await ask(database, store, card=card, pin=WRONG, at=clock)
        clock.advance(minutes=16)
    clock.advance(days=1)
    for _try in range(20):
        await ask(database, store, card=FakeCard(), pin=WRONG, at=clock)
    blocked = Refusal("pin_blocked", retry_at=clock.now() + timedelta(hours=1))
    assert await ask(database, store, card=card, pin=pin, at=clock) == blocked
    clock.advance(hours=1)
    assert isinstance(await ask(database, store, card=card, pin=pin, at=clock), StaffRef)
    for _try in range(20):
        await ask(database, store, card=FakeCard(), pin=WRONG, at=clock)
    assert isinstance(await ask(database, store, card=card, pin=pin, at=clock), StaffRef)


async def test_revoked_pin_is_refused_at_the_next_request(database, clock, counter):
    """Somebody who leaves can give nothing more, although the process remembers the PIN."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store)
    assert isinstance(await ask(database, store, card=FakeCard(), pin=pin, at=clock), StaffRef)
    async with tenant_scope(database, store.merchant_id) as session:
        await end_membership(session, staff_id, by=system_of(store), now=clock.now())
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == Refusal("pin_wrong")


async def test_remembered_pin_does_not_survive_rotation(database, clock, counter):
    """After a rotation the old PIN is wrong and the new one right, at once."""
    store = await make_store(database, await make_merchant(database))
    staff_id, old = await make_staff(database, store)
    assert isinstance(await ask(database, store, card=FakeCard(), pin=old, at=clock), StaffRef)
    async with tenant_scope(database, store.merchant_id) as session:
        drawn = await rotate_pin(session, ref(store), staff_id, by=system_of(store), now=clock.now())
    assert drawn.pin != old
    assert await ask(database, store, card=FakeCard(), pin=old, at=clock) == Refusal("pin_wrong")
    fresh = await ask(database, store, card=FakeCard(), pin=drawn.pin, at=clock)
    assert fresh == StaffRef(staff_id, "Marie", "cashier", "pin")


async def test_right_pin_is_computed_once_in_ten_minutes(database, clock, counter):
    """A right PIN costs one hash, then none for ten minutes, in its own store only."""
    merchant = await make_merchant(database)
    store, other = await make_store(database, merchant), await make_store(database, merchant)
    _staff_id, pin = await make_staff(database, store)
    counter.calls = 0
    for _stamp in range(3):
        await ask(database, store, card=FakeCard(), pin=pin, at=clock)
    assert counter.calls == 1
    assert await ask(database, other, card=FakeCard(), pin=pin, at=clock) == Refusal("pin_wrong")
    clock.advance(minutes=10)
    await ask(database, store, card=FakeCard(), pin=pin, at=clock)
    assert counter.calls == 3


async def test_old_pepper_is_found_and_moved_up(database, clock, counter, process):
    """After a new pepper old PINs still work, and each moves to it at its next use."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store)
    shared = await make_shared_pin(database, store)
    keyring = process.resources.get(Keyring)
    rotated = Keyring({**keyring.keys, "pepper": {**keyring.keys["pepper"], 2: b"2" * 32}})
    process.resources.put(PinHasher, PinHasher(rotated, compute=counter))

    async def counted() -> tuple[int, int]:
        async with tenant_scope(database, store.merchant_id) as session:
            found = await queries.count_peppers(session, store.merchant_id, newest=2)
        return found.pins, found.old

    assert await counted() == (2, 2)
    marie = StaffRef(staff_id, "Marie", "cashier", "pin")
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == marie
    assert (await ask(database, store, card=FakeCard(), pin=shared, at=clock)).via == "shared_pin"

    async with tenant_scope(database, store.merchant_id) as session:
        versions = (await session.execute(select(StaffPin.pepper_version))).scalars().all()
        of_store = (await session.execute(text("SELECT pin_pepper_version FROM store"))).scalars().all()
    assert (versions, of_store) == ([2], [2])
    assert await counted() == (2, 0)
    process.resources.put(PinHasher, PinHasher(rotated, compute=counter))
    counter.calls = 0
    assert await ask(database, store, card=FakeCard(), pin=pin, at=clock) == marie
    assert counter.calls == 1


async def test_merchant_is_told_once_an_hour(database, clock, counter):
    """The fifteenth wrong PIN of an hour sends one mail, the following ones none."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)

    async def mails() -> list[tuple[str, str]]:
        async with tenant_scope(database, store.merchant_id) as session:
            rows = await session.execute(select(OutboxMessage.kind, OutboxMessage.recipient))
            return [(row.kind, row.recipient) for row in rows if row.kind == "pin_alert"]

    for _try in range(14):
        await ask(database, store, card=FakeCard(), pin=WRONG, at=clock)
    assert await mails() == []
    for _try in range(4):
        await ask(database, store, card=FakeCard(), pin=WRONG, at=clock)
    assert await mails() == [("pin_alert", merchant.email)]


async def test_ten_thousand_guesses_are_twenty_an_hour_and_fifty_a_day(database, clock, counter):
    """10,000 guesses in an hour from 50 addresses over 20 new cards: 20 are looked at; over a day 50.

    Known cards work all the while.
    """
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    strangers = [FakeCard() for _n in range(20)]
    regulars = [FakeCard(known_stores=frozenset({store.id})) for _n in range(20)]
    counter.calls = 0
    honest: list[bool] = []

    async def guess(count: int, *, hours: float) -> None:
        async with tenant_scope(database, store.merchant_id) as session:
            for number in range(count):
                clock.advance(seconds=hours * 3600 / count)
                await check_pin(
                    session, ref(store), card=strangers[number % 20], address=f"198.51.100.{number % 50}",
                    pin=f"7{number:05}", now=clock.now(),
                )  # fmt: skip
                if number % 100 == 0:
                    regular = regulars[number // 100 % 20]
                    answer = await check_pin(
                        session, ref(store), card=regular, address=HOME, pin=pin, now=clock.now()
                    )
                    honest.append(isinstance(answer, StaffRef))

    right_hashes = counter.calls
    await guess(10_000, hours=1)
    # The remembered right PIN is computed anew every ten minutes of the simulated hour.
    looked_at = await count_attempts(database, store)
    assert looked_at == 20
    assert counter.calls - right_hashes <= 20 + 7
    await guess(2_300, hours=22.9)
    assert await count_attempts(database, store) == 50
    assert honest == [True] * len(honest)
    assert len(honest) == 123
