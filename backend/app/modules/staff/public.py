"""What other modules may use of staff: whose PIN it is, which device speaks, and people's names."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.outcomes import Refusal
from app.modules.staff.devices import (
    DEVICE_COOKIE,
    DEVICE_COOKIE_AGE,
    DeviceDep,
    DeviceSession,
    MaybeDeviceDep,
    end_shift,
    open_shift,
)
from app.modules.staff.fast import find_remembered_pin, fold_pin, judge_pin, pin_address, remembered_verifier
from app.modules.staff.pairing import count_typed_code, find_pairing, pair_device
from app.modules.staff.pins import address_key, check_pin, count_refused_pin
from app.modules.staff.reach import find_staff_names, list_staff_names
from app.modules.staff.rules import StaffRef, decide_manager
from app.modules.staff.service import (
    DrawnPin,
    create_member,
    list_members,
)

__all__ = [
    "DEVICE_COOKIE",
    "DEVICE_COOKIE_AGE",
    "DeviceDep",
    "DeviceSession",
    "DrawnPin",
    "MaybeDeviceDep",
    "StaffRef",
    "address_key",
    "check_manager",
    "check_pin",
    "count_refused_pin",
    "count_typed_code",
    "create_member",
    "end_shift",
    "find_pairing",
    "find_remembered_pin",
    "fold_pin",
    "judge_pin",
    "list_staff_names",
    "list_till_staff",
    "open_shift",
    "pair_device",
    "pin_address",
    "remembered_verifier",
    "staff_names",
]


def check_manager(staff: StaffRef) -> Refusal | None:
    """Refuse (manager_required) what only a manager may do."""
    return decide_manager(staff)


async def list_till_staff(session: AsyncSession, store: StoreRef) -> list[StaffRef]:
    """Return who has a PIN in a store, as its paired device would name them."""
    return [
        StaffRef(row.id, row.name, row.role, "device")
        for row in await list_members(session, store)
        if row.has_pin
    ]


async def staff_names(session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of these staff members by id, of those who left as well."""
    return await find_staff_names(session, merchant_id, ids)
