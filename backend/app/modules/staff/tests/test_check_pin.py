"""PINs on customers' phones: reserved before they are looked at (promises.md 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.db.session import Database, tenant_scope
from app.dependencies import StoreRef
from app.kernel.clock import FixedClock
from app.kernel.outcomes import Refusal
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.staff.public import StaffRef, check_pin
from app.modules.stores.factories import make_store
from app.utils.id_generator import new_id


@dataclass(frozen=True)
class FakeCard:
    """What the limits know of a card."""

    id: UUID = field(default_factory=new_id)
    known_stores: frozenset[UUID] = frozenset()


async def ask(
    database: Database,
    store: object,
    card: FakeCard | None,
    pin: str,
    *,
    clock: FixedClock,
    address: str = "192.0.2.1",
) -> StaffRef | Refusal:
    """Ask for a PIN in a transaction of its own, as a request does."""
    ref = StoreRef(store.merchant_id, store.id)
    async with tenant_scope(database, ref.merchant_id) as session:
        return await check_pin(session, ref, card=card, address=address, pin=pin, now=clock.now())


async def test_right_pin_names_its_member(database, clock):
    """A right PIN says who gave the stamp."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store, name="Marie")
    marie = StaffRef(staff_id, "Marie", "cashier", "pin")

    assert await ask(database, store, FakeCard(), pin, clock=clock) == StaffRef(
        staff_id, "Marie", "cashier", "pin"
    )
    assert await ask(database, store, FakeCard(), pin, clock=clock) == StaffRef(
        staff_id, "Marie", "cashier", "pin"
    )
    assert await ask(database, store, FakeCard(), "000000", clock=clock) == Refusal("pin_wrong")
