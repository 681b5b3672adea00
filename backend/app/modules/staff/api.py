"""The team, its PINs, devices and shifts, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.dependencies import ClockDep, MerchantDep, SessionDep, StoreRef, member
from app.kernel.adapters import resources_of
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal, signed_link
from app.kernel.permissions import device as device_row
from app.kernel.web.cookies import set_cookie
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import json_response, present_json
from app.kernel.web.problems import error_responses
from app.modules.staff import devices, pairing, service
from app.modules.staff.devices import DEVICE_COOKIE, DEVICE_COOKIE_AGE, DeviceDep, DeviceSession
from app.modules.staff.pairing import Pairing
from app.modules.staff.rules import StaffRef
from app.modules.staff.schemas import (
    DeviceAnswer,
    DeviceRequest,
    DevicesAnswer,
    PairingAnswer,
    PairRequest,
    PinAnswer,
    PinsAnswer,
    ShiftAnswer,
    ShiftRequest,
    StaffAnswer,
    StaffChange,
    StaffRequest,
    TeamAnswer,
)
from app.modules.stores.public import get_store

router = APIRouter(tags=["Team and devices"])


async def get_member_store(store_id: UUID, principal: MerchantDep, session: SessionDep) -> StoreRef:
    """Return the store in the path of a dashboard route; raises NotFound for another merchant's."""
    await get_store(session, principal.merchant_id, store_id)
    return StoreRef(principal.merchant_id, store_id)


MemberStoreDep = Annotated[StoreRef, Depends(get_member_store)]


def pairing_url(session: AsyncSession, token: str) -> str:
    """Return the address that the device opens by its QR code."""
    return f"{resources_of(session).get(Settings).public_url.rstrip('/')}/staff/pair?code={token}"


@router.get(
    "/stores/{store_id}/staff",
    response_model=TeamAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.view")],
)
async def get_staff(store: MemberStoreDep, session: SessionDep) -> TeamAnswer:
    """List the team; PINs are never shown again."""
    rows = await service.list_members(session, store)
    shared = await service.has_shared_pin(session, store)
    return TeamAnswer(staff=[StaffAnswer.of(row) for row in rows], has_shared_pin=shared)


@router.post(
    "/stores/{store_id}/staff",
    status_code=201,
    response_model=PinAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "conflict", "key_reused"),
    dependencies=[member("staff.edit")],
)
async def post_staff(
    store: MemberStoreDep,
    body: StaffRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Add a person. The PIN is drawn by the system and shown in this answer only; an analyst has none."""
    once = Once(f"staff:{store.id}", key, body.model_dump())
    outcome, pin = await _add_member(session, store, principal, body, once=once, now=clock.now())
    return present_json(outcome, lambda answer: {**answer, "pin": pin})


async def _add_member(  # noqa: PLR0913 - the parts of one request
    session: AsyncSession,
    store: StoreRef,
    principal: Principal,
    body: StaffRequest,
    *,
    once: Once,
    now: datetime,
) -> tuple[Mapping[str, Any] | Replay | Refusal, str | None]:
    """Add the member once, and return the PIN beside the answer: what is kept of the answer never holds it."""
    drawn: list[service.DrawnPin] = []

    async def work() -> service.DrawnPin:
        made = await service.create_member(
            session, store, name=body.name, role=body.role, by=principal, now=now
        )
        drawn.append(made)
        return made

    outcome = await answer_once(
        session, principal, once, work=work, answer=lambda made: {"id": made.staff_id, "pin": None}, now=now
    )
    return outcome, drawn[0].pin if drawn else None


@router.patch(
    "/stores/{store_id}/staff/{staff_id}",
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.edit")],
)
async def patch_staff(
    store: MemberStoreDep,
    staff_id: UUID,
    body: StaffChange,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Rename a member or give another role."""
    change = service.MemberChange(body.name, body.role)
    row = await service.change_member(session, staff_id, change, by=principal, now=clock.now())
    return json_response({"id": row.id, "name": row.name, "role": row.role})


@router.delete(
    "/stores/{store_id}/staff/{staff_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.edit")],
)
async def delete_staff(
    store: MemberStoreDep, staff_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> None:
    """Let a member go: PINs in all stores and open shifts end with the next request."""
    await service.end_membership(session, staff_id, by=principal, now=clock.now())


@router.post(
    "/stores/{store_id}/staff/{staff_id}/pin",
    status_code=201,
    response_model=PinAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "conflict"),
    dependencies=[member("staff.edit")],
)
async def post_pin(
    store: MemberStoreDep, staff_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> PinAnswer:
    """Draw a member's PIN in this store anew, or the first one here."""
    drawn = await service.rotate_pin(session, store, staff_id, by=principal, now=clock.now())
    return PinAnswer(id=drawn.staff_id, pin=drawn.pin)


@router.post(
    "/stores/{store_id}/pins",
    status_code=201,
    response_model=PinsAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.edit")],
)
async def post_pins(
    store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> PinsAnswer:
    """Draw all PINs of the store anew; the old ones end with the next request."""
    drawn = await service.rotate_all_pins(session, store, by=principal, now=clock.now())
    return PinsAnswer(pins=[PinAnswer(id=one.staff_id, pin=one.pin) for one in drawn])


@router.post(
    "/stores/{store_id}/shared-pin",
    status_code=201,
    response_model=PinAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.edit")],
)
async def post_shared_pin(
    store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> PinAnswer:
    """Draw the store's shared PIN, for a shop that names no staff."""
    drawn = await service.rotate_shared_pin(session, store, by=principal, now=clock.now())
    return PinAnswer(id=None, pin=drawn.pin)


@router.delete(
    "/stores/{store_id}/shared-pin",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.edit")],
)
async def delete_shared_pin(
    store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> None:
    """Take the shared PIN away."""
    await service.remove_shared_pin(session, store, by=principal, now=clock.now())


@router.get(
    "/stores/{store_id}/devices",
    response_model=DevicesAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("staff.view")],
)
async def get_devices(store: MemberStoreDep, session: SessionDep) -> DevicesAnswer:
    """List the store's devices."""
    rows = await pairing.list_devices(session, store.merchant_id, store_id=store.id)
    return DevicesAnswer(devices=[DeviceAnswer.of(row) for row in rows])


@router.post(
    "/stores/{store_id}/devices",
    status_code=201,
    response_model=PairingAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found", "conflict", "key_reused"),
    dependencies=[member("devices.edit")],
)
async def post_device(
    store: MemberStoreDep,
    body: DeviceRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Add a device; its code to type and its link to scan work once, for ten minutes."""
    made: list[Pairing] = []

    async def work() -> Pairing:
        made.append(
            await pairing.create_device(session, store, name=body.name, by=principal, now=clock.now())
        )
        return made[0]

    once = Once(f"devices:{store.id}", key, body.model_dump())
    outcome = await answer_once(session, principal, once, work=work, answer=_without_code, now=clock.now())
    if isinstance(outcome, Replay) or not made:
        return present_json(outcome, lambda answer: answer)
    return json_response(_with_code(session, made[0]), status=201)


def _without_code(made: Pairing) -> PairingAnswer:
    return PairingAnswer(id=made.device_id, pairing_code=None, pairing_url=None, expires_at=made.expires_at)


def _with_code(session: AsyncSession, made: Pairing) -> PairingAnswer:
    secret = {"pairing_code": made.typed, "pairing_url": pairing_url(session, made.token)}
    return _without_code(made).model_copy(update=secret)


@router.post(
    "/devices/{device_id}/pairing",
    status_code=201,
    response_model=PairingAnswer,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("devices.edit")],
)
async def post_pairing(
    device_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> PairingAnswer:
    """Make a new pairing code for a device that must be paired again; the old pairing goes on until then."""
    made = await pairing.renew_pairing_code(session, device_id, by=principal, now=clock.now())
    return _with_code(session, made)


@router.delete(
    "/devices/{device_id}",
    status_code=204,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[member("devices.edit")],
)
async def delete_device(
    device_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> None:
    """Shut a device out, with its next request."""
    await pairing.revoke_device(session, device_id, by=principal, now=clock.now())


@router.post(
    "/device/pair",
    status_code=201,
    response_model=ShiftAnswer,
    responses=error_responses("link_unusable", "rate_limited"),
    dependencies=[signed_link("A pairing code, once"), rate_limit("pair_device")],
)
async def post_pair(request: Request, body: PairRequest, session: SessionDep, clock: ClockDep) -> Response:
    """Pair this device by the link's code or the typed one: it is consumed and the device's cookie is set."""
    await pairing.count_typed_code(request, body.pairing_code)
    device, token = await pairing.pair_device(session, body.pairing_code, now=clock.now())
    speaking = DeviceSession(device.merchant_id, device.id, device.store_id, None, device.name)
    response = json_response(_shift(speaking, None), status=201)
    set_cookie(request, response, DEVICE_COOKIE, token, max_age=DEVICE_COOKIE_AGE)
    return response


@router.get(
    "/device",
    response_model=ShiftAnswer,
    responses=error_responses("device_revoked"),
    dependencies=[device_row("Which device this is")],
)
async def get_device(device: DeviceDep) -> ShiftAnswer:
    """Say which device this is, and whose shift is open."""
    return _shift(device, device.staff)


@router.post(
    "/device/shift",
    status_code=201,
    response_model=ShiftAnswer,
    responses=error_responses("device_revoked", "pin_wrong", "pin_blocked"),
    dependencies=[device_row("Open a shift by PIN")],
)
async def post_shift(device: DeviceDep, body: ShiftRequest, session: SessionDep, clock: ClockDep) -> Response:
    """Open a shift. Five wrong PINs on this device: 15 minutes; ten in a row: it must be paired again."""
    outcome = await devices.open_shift(session, device, pin=body.pin, now=clock.now())
    return present_json(outcome, lambda staff: _shift(device, staff))


@router.delete(
    "/device/shift",
    status_code=204,
    responses=error_responses("device_revoked"),
    dependencies=[device_row("End the shift")],
)
async def delete_shift(device: DeviceDep, session: SessionDep) -> None:
    """End the shift; the device stays paired."""
    await devices.end_shift(session, device)


def _shift(device: DeviceSession, staff: StaffRef | None) -> ShiftAnswer:
    return ShiftAnswer(
        device_id=device.device_id,
        store_id=device.store_id,
        staff_id=staff.id if staff else None,
        staff_name=staff.name if staff else None,
        role=staff.role if staff else None,
    )
