"""Paired devices of the shop and the shifts on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import set_tenant
from app.dependencies import ClockDep, SessionDep, StoreRef
from app.kernel.adapters import resources_of
from app.kernel.errors import AppError, NotFound, Unavailable
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.cookies import read_cookie
from app.modules.staff import queries
from app.modules.staff.models import StaffDevice, StaffMember
from app.modules.staff.pins import (
    REFUSED_PINS,
    PinHasher,
    find_staff_by_pin,
    refund_attempt,
    reserve_on_device,
)
from app.modules.staff.rules import (
    DEVICE_BURST,
    DEVICE_PAIR_AGAIN,
    StaffRef,
    decide_shift_open,
)
from app.modules.staff.service import StaffSettings
from app.utils.security import hash_token, same, unb64

DEVICE_COOKIE = "device"
DEVICE_COOKIE_AGE = timedelta(days=400)
# A tap within so short a time writes no new "last seen": most requests of a shift only read.
SEEN_EVERY = timedelta(minutes=1)


class DeviceRevoked(AppError):
    """The device was revoked, must be paired again, or never was: one answer."""

    code = "device_revoked"


@dataclass(frozen=True, slots=True)
class DeviceSession:
    """A paired device that is speaking, and whose shift is open on it."""

    merchant_id: UUID
    device_id: UUID
    store_id: UUID
    staff: StaffRef | None
    name: str = ""

    @property
    def store(self) -> StoreRef:
        """Return the device's store as other use cases take it."""
        return StoreRef(self.merchant_id, self.store_id)


async def get_device(session: AsyncSession, merchant_id: UUID, device_id: UUID) -> StaffDevice:
    """Return a device that is not revoked; raises NotFound."""
    device = (
        await session.execute(
            select(StaffDevice).where(
                StaffDevice.merchant_id == merchant_id,
                StaffDevice.id == device_id,
                StaffDevice.revoked_at.is_(None),
            )
        )
    ).scalar_one_or_none()
    if device is None:
        raise NotFound("device")
    return device


async def find_device_session(
    session: AsyncSession, cookie: str | None, *, now: datetime
) -> DeviceSession | None:
    """Return the device a cookie belongs to, bind the tenant, and note that it was seen."""
    parts = (cookie or "").split(".")
    if len(parts) != 3:
        return None
    try:
        merchant_id, device_id = UUID(bytes=unb64(parts[0])), UUID(bytes=unb64(parts[1]))
    except ValueError:
        return None
    if session.info.get("merchant_id", merchant_id) != merchant_id:
        return None
    await set_tenant(session, merchant_id)
    row = (
        await session.execute(
            select(StaffDevice, StaffMember)
            .outerjoin(
                StaffMember,
                (StaffMember.merchant_id == StaffDevice.merchant_id)
                & (StaffMember.id == StaffDevice.shift_staff_id)
                & StaffMember.left_at.is_(None),
            )
            .where(StaffDevice.merchant_id == merchant_id, StaffDevice.id == device_id)
        )
    ).one_or_none()
    if row is None:
        return None
    device, member = row
    if device.revoked_at is not None or device.secret_hash is None:
        return None
    if not same(device.secret_hash, hash_token(parts[2])):
        return None
    staff = await _shift_staff(session, device, member, now=now)
    _note_seen(device, is_open=staff is not None, now=now)
    return DeviceSession(merchant_id, device_id, device.store_id, staff, device.name)


async def _shift_staff(
    session: AsyncSession, device: StaffDevice, member: StaffMember | None, *, now: datetime
) -> StaffRef | None:
    if device.shift_opened_at is None:
        return None
    settings = await get_settings(
        session, StaffSettings, merchant_id=device.merchant_id, store_id=device.store_id
    )
    idle_lock = timedelta(minutes=settings.idle_lock_minutes)
    if not decide_shift_open(device.shift_active_at, idle_lock=idle_lock, now=now):
        return None
    if device.shift_staff_id is None:
        return StaffRef(None, _("Shop PIN"), "cashier", "device", device.id)
    if member is None:
        return None
    return StaffRef(member.id, member.name, member.role, "device", device.id)


def _note_seen(device: StaffDevice, *, is_open: bool, now: datetime) -> None:
    if device.last_seen_at is None or now - device.last_seen_at >= SEEN_EVERY:
        device.last_seen_at = now
    if is_open and (device.shift_active_at is None or now - device.shift_active_at >= SEEN_EVERY):
        device.shift_active_at = now


async def open_shift(
    session: AsyncSession, device: DeviceSession, *, pin: str, now: datetime
) -> StaffRef | Refusal:
    """Open a shift by PIN. Limits of this device alone: 5 wrong → 15 minutes, 10 in a row → pair again.

    Refusals: pin_wrong, pin_blocked with retry_at, device_revoked. Customers' phones count nothing here.
    """
    outcome = await _open_shift(session, device, pin=pin, now=now)
    if isinstance(outcome, Refusal):
        REFUSED_PINS.labels(outcome.code).inc()
    return outcome


async def _open_shift(
    session: AsyncSession, device: DeviceSession, *, pin: str, now: datetime
) -> StaffRef | Refusal:
    """Open a shift by PIN. Limits of this device alone: 5 wrong → 15 minutes, 10 in a row → pair again.

    Refusals: pin_wrong, pin_blocked with retry_at, device_revoked. Customers' phones count nothing here.
    """
    row_of_device = await get_device(session, device.merchant_id, device.device_id)
    assert row_of_device.paired_at is not None
    parameters: dict[str, Any] = {
        "merchant_id": device.merchant_id,
        "store_id": device.store_id,
        "device_id": device.device_id,
        "since": row_of_device.paired_at,
        "now": now,
    }
    if resources_of(session).get(PinHasher).is_overloaded:
        raise Unavailable("too many PINs wait")
    attempt_id = await reserve_on_device(session, device.store, parameters)
    state = (await session.execute(queries.DEVICE_STATE, parameters)).one()
    if attempt_id is None:
        retry_at = state.burst + DEVICE_BURST.window if state.burst else now + timedelta(seconds=1)
        return Refusal("pin_blocked", retry_at=retry_at)
    staff = await find_staff_by_pin(session, device.store, row=state, pin=pin, now=now)
    if staff is None:
        return _count_against(row_of_device, wrong_in_row=state.wrong_in_row)
    await refund_attempt(session, device.store, attempt_id, now=now)
    row_of_device.shift_staff_id = staff.id
    row_of_device.shift_opened_at = row_of_device.shift_active_at = now
    return StaffRef(staff.id, staff.name, staff.role, "device", device.device_id)


def forget_secrets(device: StaffDevice) -> None:
    """Make a device worthless: no cookie, no code and no shift of it counts any more."""
    device.secret_hash = device.pairing_hash = device.pairing_expires_at = device.paired_at = None
    device.shift_staff_id = device.shift_opened_at = device.shift_active_at = None


def _count_against(device: StaffDevice, *, wrong_in_row: int) -> Refusal:
    if wrong_in_row < DEVICE_PAIR_AGAIN.wrong_max:
        return Refusal("pin_wrong")
    forget_secrets(device)
    return Refusal("device_revoked")


async def end_shift(session: AsyncSession, device: DeviceSession) -> None:
    """Close the shift; the device stays paired."""
    row = await get_device(session, device.merchant_id, device.device_id)
    row.shift_staff_id = row.shift_opened_at = row.shift_active_at = None


async def get_device_session(request: Request, session: SessionDep, clock: ClockDep) -> DeviceSession:
    """Return the paired device that sent the request; raises DeviceRevoked."""
    device = await find_device_session(session, read_cookie(request, DEVICE_COOKIE), now=clock.now())
    if device is None:
        raise DeviceRevoked
    return device


async def find_device_session_of(
    request: Request, session: SessionDep, clock: ClockDep
) -> DeviceSession | None:
    """Return the paired device that sent the request, or None: for pages that explain what to do then."""
    return await find_device_session(session, read_cookie(request, DEVICE_COOKIE), now=clock.now())


DeviceDep = Annotated[DeviceSession, Depends(get_device_session)]
MaybeDeviceDep = Annotated[DeviceSession | None, Depends(find_device_session_of)]


async def authenticate_device(request: Request, session: AsyncSession) -> Principal | None:
    """Recognise a paired device for AUTHENTICATOR."""
    now = request.app.state.clock.now()
    device = await find_device_session(session, read_cookie(request, DEVICE_COOKIE), now=now)
    if device is None:
        return None
    return Principal("device", device.merchant_id, device.device_id, extra={"store_id": device.store_id})
