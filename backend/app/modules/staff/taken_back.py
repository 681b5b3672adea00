"""What a stranger made with a member's dashboard: devices are shut out, PINs that only the stranger saw are ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import column, delete, or_, select, table, update

from app.db.lookup import remove_lookup
from app.modules.accounts.public import TakenBack
from app.modules.staff.models import StaffDevice, StaffMember, StaffPin
from app.modules.staff.pairing import PAIRING_LOOKUP

# Read and written as a plain table, as the statements about shared PINs do.
_STORE = table(
    "store",
    *map(column, ("merchant_id", "id", "name", "staff_pin_hash", "staff_pin_since")),
)
_NO_SHIFT = {"shift_staff_id": None, "shift_opened_at": None, "shift_active_at": None}


async def on_taken_back(back: TakenBack) -> None:
    """Shut out the devices that the account added or paired anew, and end the PINs it drew."""
    await _shut_devices_out(back)
    await _end_pins(back)
    await _end_shared_pins(back)


async def _shut_devices_out(back: TakenBack) -> None:
    made = await back.targets("device.added", "device.code_renewed")
    statement = select(StaffDevice).where(
        StaffDevice.merchant_id == back.merchant_id,
        StaffDevice.id.in_(made),
        StaffDevice.revoked_at.is_(None),
    )
    for device in (await back.session.execute(statement.with_for_update())).scalars().all():
        if device.pairing_lookup is not None:
            await remove_lookup(
                back.session, PAIRING_LOOKUP, device.pairing_lookup, merchant_id=back.merchant_id
            )
        ended = {"secret_hash": None, "pairing_hash": None, "pairing_expires_at": None, "paired_at": None}
        await back.session.execute(
            update(StaffDevice)
            .where(StaffDevice.merchant_id == back.merchant_id, StaffDevice.id == device.id)
            .values(revoked_at=back.now, pairing_lookup=None, **ended, **_NO_SHIFT)
        )
        await back.note("device.taken_back", device.id, kind="device", name=device.name)


async def _end_pins(back: TakenBack) -> None:
    people = await back.targets("staff.added", "staff.pin_rotated")
    stores = await back.targets("staff.pins_rotated")
    ended = await back.session.execute(
        delete(StaffPin)
        .where(
            StaffPin.merchant_id == back.merchant_id,
            StaffPin.created_at >= back.since,
            or_(StaffPin.staff_id.in_(people), StaffPin.store_id.in_(stores)),
        )
        .returning(StaffPin.staff_id)
    )
    staff_ids = set(ended.scalars())
    await _end_shifts(back, list(staff_ids))
    names = await back.session.execute(
        select(StaffMember.id, StaffMember.name).where(
            StaffMember.merchant_id == back.merchant_id, StaffMember.id.in_(staff_ids)
        )
    )
    for staff_id, name in names.all():
        await back.note("staff.pins_taken_back", staff_id, kind="staff", name=name)


async def _end_shifts(back: TakenBack, staff_ids: Sequence[UUID]) -> None:
    await back.session.execute(
        update(StaffDevice)
        .where(StaffDevice.merchant_id == back.merchant_id, StaffDevice.shift_staff_id.in_(staff_ids))
        .values(**_NO_SHIFT)
    )


async def _end_shared_pins(back: TakenBack) -> None:
    drawn = await back.targets("staff.shared_pin_rotated", "staff.pins_rotated")
    ended = await back.session.execute(
        update(_STORE)
        .where(
            _STORE.c.merchant_id == back.merchant_id,
            _STORE.c.id.in_(drawn),
            _STORE.c.staff_pin_hash.is_not(None),
            _STORE.c.staff_pin_since >= back.since,
        )
        .values(staff_pin_hash=None, staff_pin_since=None)
        .returning(_STORE.c.id, _STORE.c.name)
    )
    for store_id, name in ended.all():
        await back.session.execute(
            update(StaffDevice)
            .where(
                StaffDevice.merchant_id == back.merchant_id,
                StaffDevice.store_id == store_id,
                StaffDevice.shift_staff_id.is_(None),
            )
            .values(**_NO_SHIFT)
        )
        await back.note("staff.pins_taken_back", store_id, kind="store", name=name)
