"""Making a phone or tablet a device of the shop: a link (as QR) with 128 bits, beside it a code that people type.

Both belong to one pairing, work once and end after ten minutes. The typed code has forty bits: it leads to its
device by an HMAC in `lookup`, and the edges count every try, per address and over the whole installation.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import add_lookup, find_lookup, remove_lookup
from app.db.session import set_tenant
from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import AppError, Conflict, NotFound
from app.kernel.permissions import Principal
from app.kernel.web.limits import limiter_of
from app.modules.staff.devices import forget_secrets, get_device
from app.modules.staff.models import StaffDevice
from app.modules.staff.rules import PAIRING_CODE_LASTS
from app.utils.id_generator import CARD_ALPHABET, new_id
from app.utils.security import Keyring, b64, hash_token, new_token, unb64

DEVICES_PER_STORE_MAX = 100
PAIRING_SECRET_BYTES = 16
CODE_LENGTH_MAX = 100
TYPED_SYMBOLS = 8
TYPED_DRAWS_MAX = 20
PAIRING_LOOKUP = "pairing"
# Crockford's base 32 has no I, L and O: whoever reads them meant these.
_MISREAD = str.maketrans("ILO", "110", "- ")


class CodeUnusable(AppError):
    """A pairing code that is unknown, used, expired or of a revoked device: one answer."""

    code = "link_unusable"


@dataclass(frozen=True, slots=True)
class Pairing:
    """A fresh pairing, shown once; only hashes are kept. typed: for fingers, such as K7QM-3XRD. token: for the link."""

    device_id: UUID
    typed: str
    token: str
    expires_at: datetime


def read_typed_code(text: str) -> str | None:
    """Return the code in what was typed, as it was drawn; None for anything that is no such code."""
    if len(text) > CODE_LENGTH_MAX:
        return None
    code = "".join(text.upper().split()).translate(_MISREAD)
    fits = len(code) == TYPED_SYMBOLS and all(symbol in CARD_ALPHABET for symbol in code)
    return code if fits else None


def show_typed_code(code: str) -> str:
    """Return the code in two groups of four."""
    half = TYPED_SYMBOLS // 2
    return f"{code[:half]}-{code[half:]}"


async def count_typed_code(request: Request, code: str) -> None:
    """Count a try of a typed code over the whole installation: its forty bits must not be searched from a crowd.

    Raises RateLimited; the link in the QR code goes on working then.
    """
    if read_typed_code(code) is not None:
        await limiter_of(request).enforce("pair_code", "all")


async def create_device(
    session: AsyncSession, store: StoreRef, *, name: str, by: Principal, now: datetime
) -> Pairing:
    """Add a device to a store and return its first pairing; raises Conflict when there are too many."""
    if len(await list_devices(session, store.merchant_id, store_id=store.id)) >= DEVICES_PER_STORE_MAX:
        raise Conflict("too many devices")
    device = StaffDevice(
        merchant_id=store.merchant_id, id=new_id(), store_id=store.id, name=name, created_at=now
    )
    session.add(device)
    pairing = await _begin(session, device, now=now)
    # The page that answers lists it.
    await session.flush()
    await _note(session, by, "device.added", device.id, now=now)
    return pairing


async def _note(session: AsyncSession, by: Principal, action: str, device_id: UUID, *, now: datetime) -> None:
    await record_audit(session, by, action=action, target_kind="device", target_id=device_id, now=now)


async def get_own_device(session: AsyncSession, by: Principal, device_id: UUID) -> StaffDevice:
    """Return a device of a store within the member's reach; raises NotFound."""
    device = await get_device(session, by.merchant_id, device_id)
    if by.store_ids and device.store_id not in by.store_ids:
        raise NotFound("device")
    return device


async def renew_pairing_code(
    session: AsyncSession, device_id: UUID, *, by: Principal, now: datetime
) -> Pairing:
    """Return a new pairing for a device that must be paired again; the codes before it end. Raises NotFound."""
    device = await get_own_device(session, by, device_id)
    await _note(session, by, "device.code_renewed", device_id, now=now)
    return await _begin(session, device, now=now)


async def _begin(session: AsyncSession, device: StaffDevice, *, now: datetime) -> Pairing:
    await _forget_typed(session, device)
    token = b64(device.merchant_id.bytes) + b64(secrets.token_bytes(PAIRING_SECRET_BYTES))
    for _draw in range(TYPED_DRAWS_MAX):
        typed = "".join(secrets.choice(CARD_ALPHABET) for _symbol in range(TYPED_SYMBOLS))
        key = _lookup_key(session, typed)
        is_ours = await add_lookup(
            session, PAIRING_LOOKUP, key, merchant_id=device.merchant_id, target_id=device.id
        )
        if is_ours:
            break
    else:
        raise Conflict("no pairing code is free")
    device.pairing_lookup = key
    device.pairing_hash = hash_token(token)
    device.pairing_expires_at = now + PAIRING_CODE_LASTS
    return Pairing(device.id, show_typed_code(typed), token, device.pairing_expires_at)


def _lookup_key(session: AsyncSession, typed: str) -> str:
    """Return what stands in lookup for a code: without the installation's key nobody can try all of them."""
    return b64(resources_of(session).get(Keyring).mac("lookup", PAIRING_LOOKUP, typed))


async def _forget_typed(session: AsyncSession, device: StaffDevice) -> None:
    if device.pairing_lookup is not None:
        await remove_lookup(session, PAIRING_LOOKUP, device.pairing_lookup, merchant_id=device.merchant_id)
        device.pairing_lookup = None


async def list_devices(
    session: AsyncSession, merchant_id: UUID, *, store_id: UUID | None = None
) -> list[StaffDevice]:
    """Return the devices that are not revoked, by name."""
    statement = select(StaffDevice).where(
        StaffDevice.merchant_id == merchant_id, StaffDevice.revoked_at.is_(None)
    )
    if store_id is not None:
        statement = statement.where(StaffDevice.store_id == store_id)
    return list((await session.execute(statement.order_by(StaffDevice.name, StaffDevice.id))).scalars())


async def find_pairing(session: AsyncSession, code: str, *, now: datetime) -> StaffDevice | None:
    """Return the device a pairing code is for, and bind the transaction to its tenant; changes nothing.

    code: the link's token or the typed one; tries of typed ones are counted by the caller.
    """
    typed = read_typed_code(code)
    if typed is not None:
        found = await find_lookup(session, PAIRING_LOOKUP, _lookup_key(session, typed))
        merchant_id = found[0] if found else None
        is_meant = StaffDevice.pairing_lookup == _lookup_key(session, typed)
    else:
        merchant_id = _merchant_of(code)
        is_meant = StaffDevice.pairing_hash == hash_token(code)
    if merchant_id is None or session.info.get("merchant_id", merchant_id) != merchant_id:
        return None
    await set_tenant(session, merchant_id)
    return (
        await session.execute(
            select(StaffDevice).where(
                StaffDevice.merchant_id == merchant_id,
                is_meant,
                StaffDevice.pairing_expires_at > now,
                StaffDevice.revoked_at.is_(None),
            )
        )
    ).scalar_one_or_none()


def _merchant_of(code: str) -> UUID | None:
    try:
        return UUID(bytes=unb64(code[:22])) if len(code) <= CODE_LENGTH_MAX else None
    except ValueError:
        return None


async def pair_device(session: AsyncSession, code: str, *, now: datetime) -> tuple[StaffDevice, str]:
    """Consume a pairing code and return the device with its cookie; raises CodeUnusable. Works once."""
    device = await find_pairing(session, "".join(code.split()), now=now)
    if device is None:
        raise CodeUnusable
    secret, pairing = new_token(), device.pairing_hash
    await _forget_typed(session, device)
    statement = (
        update(StaffDevice)
        .where(
            StaffDevice.merchant_id == device.merchant_id,
            StaffDevice.id == device.id,
            # Two who hold the code at once: the second finds it gone.
            StaffDevice.pairing_hash == pairing,
        )
        .values(
            pairing_hash=None,
            pairing_expires_at=None,
            secret_hash=hash_token(secret),
            paired_at=now,
            last_seen_at=now,
            shift_staff_id=None,
            shift_opened_at=None,
            shift_active_at=None,
        )
        .returning(StaffDevice.id)
    )
    if (await session.execute(statement)).one_or_none() is None:
        raise CodeUnusable
    return device, f"{b64(device.merchant_id.bytes)}.{b64(device.id.bytes)}.{secret}"


async def revoke_device(session: AsyncSession, device_id: UUID, *, by: Principal, now: datetime) -> None:
    """Shut a device out with its next request; raises NotFound."""
    device = await get_own_device(session, by, device_id)
    device.revoked_at = now
    await _forget_typed(session, device)
    forget_secrets(device)
    await _note(session, by, "device.revoked", device_id, now=now)
