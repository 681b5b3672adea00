"""Staff for tests: made through the use cases, with the PIN as it was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from app.db.session import Database, tenant_scope
from app.dependencies import StoreRef
from app.kernel.permissions import Principal
from app.kernel.web.cookies import cookie_name
from app.modules.staff.devices import DEVICE_COOKIE, DeviceSession, open_shift
from app.modules.staff.pairing import create_device, pair_device
from app.modules.staff.rules import StaffRef
from app.modules.staff.service import create_member, rotate_shared_pin

MADE_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class AnyStore(Protocol):
    """What names a store: a StoreRef, a StoreView or what a factory made."""

    @property
    def merchant_id(self) -> UUID:
        """Return the tenant."""
        ...

    @property
    def id(self) -> UUID:
        """Return the store's id."""
        ...


def system_of(store: AnyStore) -> Principal:
    """Return who makes test data."""
    return Principal("system", store.merchant_id, None)


@dataclass(frozen=True)
class MadeDevice:
    """A paired device of a test; headers carry its cookie."""

    id: UUID
    store_id: UUID
    merchant_id: UUID
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


async def make_staff(
    database: Database,
    store: AnyStore,
    *,
    name: str = "Marie",
    role: str = "cashier",
    now: datetime = MADE_AT,
) -> tuple[UUID, str]:
    """Add a member to the store's team and return (staff id, PIN)."""
    async with tenant_scope(database, store.merchant_id) as session:
        ref = StoreRef(store.merchant_id, store.id)
        made = await create_member(session, ref, name=name, role=role, by=system_of(store), now=now)
    assert made.staff_id is not None
    return made.staff_id, made.pin or ""


async def make_shared_pin(database: Database, store: AnyStore) -> str:
    """Draw the store's shared PIN."""
    async with tenant_scope(database, store.merchant_id) as session:
        ref = StoreRef(store.merchant_id, store.id)
        return (await rotate_shared_pin(session, ref, by=system_of(store), now=MADE_AT)).pin or ""


async def make_device(
    database: Database,
    store: AnyStore,
    *,
    name: str = "Till",
    pin: str | None = None,
    now: datetime = MADE_AT,
) -> MadeDevice:
    """Pair a device; with a PIN its shift is open."""
    async with tenant_scope(database, store.merchant_id) as session:
        ref = StoreRef(store.merchant_id, store.id)
        pairing = await create_device(session, ref, name=name, by=system_of(store), now=now)
    async with database.sessions() as session, session.begin():
        device, token = await pair_device(session, pairing.token, now=now)
    if pin is not None:
        async with tenant_scope(database, store.merchant_id) as session:
            speaking = DeviceSession(store.merchant_id, device.id, store.id, None)
            assert isinstance(await open_shift(session, speaking, pin=pin, now=now), StaffRef)
    name_on_wire = cookie_name(database.settings, DEVICE_COOKIE)
    headers: dict[str, Any] = {"Cookie": f"{name_on_wire}={token}", "Origin": database.settings.public_url}
    return MadeDevice(device.id, store.id, store.merchant_id, {name_on_wire: token}, headers)
