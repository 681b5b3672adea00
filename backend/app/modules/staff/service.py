"""The team of a store: members, their PINs, the shared PIN. Every PIN is drawn here and returned once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Conflict, NotFound
from app.kernel.locks import lock_name
from app.kernel.permissions import Principal
from app.kernel.settings import ModuleSettings, get_settings
from app.modules.staff import queries
from app.modules.staff.models import StaffDevice, StaffMember, StaffPin
from app.modules.staff.pins import PinHasher
from app.modules.staff.reach import check_reach, team_in_reach
from app.modules.staff.rules import PIN_DRAWS_MAX, TILL_ROLES, is_guessable
from app.utils.id_generator import new_id

STAFF_PER_STORE_MAX = 100


class StaffSettings(ModuleSettings):
    """PINs and shifts of a store."""

    section: ClassVar[str] = "staff"

    pin_digits: Literal[4, 6] = Field(
        6, description="Digits of a PIN; with 4 a guess is a hundred times likelier."
    )
    pin_renewal_weeks: int = Field(
        0, ge=0, le=52, description="Weeks after which a PIN is to be drawn anew; 0: never."
    )
    pin_renewal_grace_days: int = Field(
        7, ge=1, le=30, description="Days a PIN that is to be drawn anew still works."
    )
    pin_renewal_since: datetime | None = Field(
        None, description="When renewal was switched on or made shorter; no PIN is due before that."
    )
    idle_lock_minutes: int = Field(
        30, ge=1, le=720, description="A shift without a tap for so long is closed."
    )


@dataclass(frozen=True, slots=True)
class DrawnPin:
    """A PIN that was just drawn; it is shown once and kept nowhere."""

    staff_id: UUID | None
    name: str
    pin: str | None


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A line of the team list. has_pin: they may stamp in the listed store."""

    id: UUID
    name: str
    role: str
    has_pin: bool
    pin_since: datetime | None
    created_at: datetime


async def create_member(
    session: AsyncSession, store: StoreRef, *, name: str, role: str, by: Principal, now: datetime
) -> DrawnPin:
    """Add a person to a store's team and draw their PIN; an analyst has none.

    Raises NotFound for an unknown store, Conflict when the team is full.
    """
    await _lock_team(session, store)
    if await _count_pins(session, store) >= STAFF_PER_STORE_MAX:
        raise Conflict("the team is full")
    member = StaffMember(merchant_id=store.merchant_id, id=new_id(), name=name, role=role, created_at=now)
    session.add(member)
    # The PIN's row refers to the member by id.
    await session.flush()
    await _note(
        session, by, "staff.added", member.id, now=now, facts={"store_id": str(store.id), "role": role}
    )
    pin = await _give_pin(session, store, member.id, now=now) if role in TILL_ROLES else None
    return DrawnPin(member.id, name, pin)


async def list_members(session: AsyncSession, store: StoreRef) -> list[MemberRow]:
    """Return the people who work for the merchant, those with a PIN in this store first, by name."""
    pin = (
        (StaffPin.merchant_id == StaffMember.merchant_id)
        & (StaffPin.staff_id == StaffMember.id)
        & (StaffPin.store_id == store.id)
    )
    rows = await session.execute(
        select(StaffMember, StaffPin.created_at)
        .outerjoin(StaffPin, pin)
        .where(
            StaffMember.merchant_id == store.merchant_id,
            StaffMember.left_at.is_(None),
            *team_in_reach(session),
        )
        .order_by(StaffPin.created_at.is_(None), func.lower(StaffMember.name), StaffMember.id)
    )
    return [
        MemberRow(member.id, member.name, member.role, pin_at is not None, pin_at, member.created_at)
        for member, pin_at in rows
    ]


async def get_member(session: AsyncSession, merchant_id: UUID, staff_id: UUID) -> StaffMember:
    """Return a member who has not left; raises NotFound."""
    member = (
        await session.execute(
            select(StaffMember).where(
                StaffMember.merchant_id == merchant_id,
                StaffMember.id == staff_id,
                StaffMember.left_at.is_(None),
                *team_in_reach(session),
            )
        )
    ).scalar_one_or_none()
    if member is None:
        raise NotFound("staff")
    return member


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What changes of a member; None stays."""

    name: str | None = None
    role: str | None = None


async def change_member(
    session: AsyncSession, staff_id: UUID, change: MemberChange, *, by: Principal, now: datetime
) -> StaffMember:
    """Rename a member or give another role; who becomes an analyst loses the PINs. Raises NotFound."""
    member = await get_member(session, by.merchant_id, staff_id)
    await check_reach(session, by, member)
    changed = [field for field in ("name", "role") if getattr(change, field) is not None]
    for field in changed:
        setattr(member, field, getattr(change, field))
    if member.role not in TILL_ROLES:
        await _revoke_pins(session, by.merchant_id, staff_id)
    await _note(
        session, by, "staff.changed", staff_id, now=now, facts={"fields": changed, "role": member.role}
    )
    return member


async def end_membership(session: AsyncSession, staff_id: UUID, *, by: Principal, now: datetime) -> None:
    """Let a member go: PINs and open shifts end at once. Raises NotFound."""
    member = await get_member(session, by.merchant_id, staff_id)
    await check_reach(session, by, member)
    member.left_at = now
    await _revoke_pins(session, by.merchant_id, staff_id)
    await _note(session, by, "staff.left", staff_id, now=now, facts={})


async def rotate_pin(
    session: AsyncSession, store: StoreRef, staff_id: UUID, *, by: Principal, now: datetime
) -> DrawnPin:
    """Draw a member's PIN in a store anew, or the first one there. Raises NotFound, Conflict (analyst)."""
    await _lock_team(session, store)
    member = await get_member(session, store.merchant_id, staff_id)
    if member.role not in TILL_ROLES:
        raise Conflict("an analyst has no PIN")
    await _note(session, by, "staff.pin_rotated", staff_id, now=now, facts={"store_id": str(store.id)})
    return DrawnPin(member.id, member.name, await _give_pin(session, store, member.id, now=now))


async def rotate_all_pins(
    session: AsyncSession,
    store: StoreRef,
    *,
    by: Principal,
    now: datetime,
    only: frozenset[UUID | None] | None = None,
) -> list[DrawnPin]:
    """Draw every PIN of a store anew, the shared one included where there is one.

    only: the members meant, None among them for the shared PIN; without it, all.
    """
    await _lock_team(session, store)
    drawn = [
        DrawnPin(row.id, row.name, await _give_pin(session, store, row.id, now=now))
        for row in await list_members(session, store)
        if row.has_pin and (only is None or row.id in only)
    ]
    if await has_shared_pin(session, store) and (only is None or None in only):
        drawn.append(await _give_shared_pin(session, store, now=now))
    await _note(session, by, "staff.pins_rotated", store.id, now=now, facts={"count": len(drawn)})
    return drawn


async def rotate_shared_pin(
    session: AsyncSession, store: StoreRef, *, by: Principal, now: datetime
) -> DrawnPin:
    """Draw the store's shared PIN, for a shop that names no staff."""
    await _lock_team(session, store)
    await _note(session, by, "staff.shared_pin_rotated", store.id, now=now, facts={})
    return await _give_shared_pin(session, store, now=now)


async def remove_shared_pin(session: AsyncSession, store: StoreRef, *, by: Principal, now: datetime) -> None:
    """Take the shared PIN away; shifts opened with it end."""
    await _lock_team(session, store)
    hasher = resources_of(session).get(PinHasher)
    await session.execute(
        queries.SET_SHARED,
        _names(store) | {"new_verifier": None, "pepper_version": hasher.newest_pepper, "now": None},
    )
    await _end_shifts(session, store, staff_id=None)
    await _note(session, by, "staff.shared_pin_removed", store.id, now=now, facts={})


async def end_pins(
    session: AsyncSession, store: StoreRef, staff_ids: frozenset[UUID | None], *, by: Principal, now: datetime
) -> None:
    """End PINs of a store and the shifts opened with them; None among the ids: the shared one."""
    await _lock_team(session, store)
    for staff_id in staff_ids:
        if staff_id is None:
            hasher = resources_of(session).get(PinHasher)
            ended = {"new_verifier": None, "pepper_version": hasher.newest_pepper, "now": None}
            await session.execute(queries.SET_SHARED, _names(store) | ended)
        else:
            await session.execute(
                delete(StaffPin).where(
                    StaffPin.merchant_id == store.merchant_id,
                    StaffPin.store_id == store.id,
                    StaffPin.staff_id == staff_id,
                )
            )
        await _end_shifts(session, store, staff_id=staff_id)
    await _note(session, by, "staff.pins_ended", store.id, now=now, facts={"count": len(staff_ids)})


async def find_shared_pin_since(session: AsyncSession, store: StoreRef) -> datetime | None:
    """Return when the shared PIN was drawn, as far as that is known."""
    since: datetime | None = (
        (await session.execute(queries.SALT_AND_VERSIONS, _names(store))).one().staff_pin_since
    )
    return since


async def has_shared_pin(session: AsyncSession, store: StoreRef) -> bool:
    """Tell whether the store has a shared PIN."""
    return bool((await session.execute(queries.SALT_AND_VERSIONS, _names(store))).one().has_shared)


async def _note(  # noqa: PLR0913 - the parts of one audit line
    session: AsyncSession,
    by: Principal,
    action: str,
    target_id: UUID,
    *,
    now: datetime,
    facts: dict[str, object],
) -> None:
    kind = "store" if "pins" in action or "shared" in action else "staff"
    await record_audit(
        session, by, action=action, target_kind=kind, target_id=target_id, now=now, facts=facts
    )


def _names(store: StoreRef) -> dict[str, object]:
    return {"merchant_id": store.merchant_id, "store_id": store.id}


async def _lock_team(session: AsyncSession, store: StoreRef) -> None:
    """One change of a store's PINs at a time: members' and shared PINs must differ from each other."""
    await lock_name(session, "staff-pins", store.merchant_id, store.id)
    if (await session.execute(queries.SALT_AND_VERSIONS, _names(store))).one_or_none() is None:
        raise NotFound("store")


async def _count_pins(session: AsyncSession, store: StoreRef) -> int:
    result = await session.execute(
        select(func.count()).where(StaffPin.merchant_id == store.merchant_id, StaffPin.store_id == store.id)
    )
    return result.scalar_one()


async def _draw(session: AsyncSession, store: StoreRef) -> tuple[str, bytes]:
    """Draw a PIN that nobody in the store has, and return it with its verifier of the newest pepper."""
    hasher = resources_of(session).get(PinHasher)
    row = (await session.execute(queries.SALT_AND_VERSIONS, _names(store))).one()
    settings = await get_settings(session, StaffSettings, merchant_id=store.merchant_id, store_id=store.id)
    for _attempt in range(PIN_DRAWS_MAX):
        pin = f"{secrets.randbelow(10**settings.pin_digits):0{settings.pin_digits}}"
        if is_guessable(pin):
            continue
        verifiers = {
            version: await hasher.verifier(pin, salt=row.pin_salt, pepper_version=version)
            for version in {hasher.newest_pepper, *queries.versions_of(row)}
        }
        taken = [
            (await session.execute(queries.FIND_PIN, _names(store) | {"verifier": verifier})).first()
            for verifier in verifiers.values()
        ]
        if not any(taken):
            return pin, verifiers[hasher.newest_pepper]
    raise Conflict("no PIN is free")


async def _give_pin(session: AsyncSession, store: StoreRef, staff_id: UUID, *, now: datetime) -> str:
    """Draw a PIN and put it in the place of the member's old one; shifts opened with that end."""
    pin, verifier = await _draw(session, store)
    await session.execute(
        delete(StaffPin).where(
            StaffPin.merchant_id == store.merchant_id,
            StaffPin.store_id == store.id,
            StaffPin.staff_id == staff_id,
        )
    )
    session.add(
        StaffPin(
            merchant_id=store.merchant_id,
            store_id=store.id,
            pin_hash=verifier,
            pepper_version=resources_of(session).get(PinHasher).newest_pepper,
            staff_id=staff_id,
            created_at=now,
        )
    )
    # The next draw of this transaction must see it.
    await session.flush()
    await _end_shifts(session, store, staff_id=staff_id)
    return pin


async def _give_shared_pin(session: AsyncSession, store: StoreRef, *, now: datetime) -> DrawnPin:
    pin, verifier = await _draw(session, store)
    hasher = resources_of(session).get(PinHasher)
    await session.execute(
        queries.SET_SHARED,
        _names(store) | {"new_verifier": verifier, "pepper_version": hasher.newest_pepper, "now": now},
    )
    await _end_shifts(session, store, staff_id=None)
    return DrawnPin(None, "", pin)


async def _revoke_pins(session: AsyncSession, merchant_id: UUID, staff_id: UUID) -> None:
    await session.execute(
        delete(StaffPin).where(StaffPin.merchant_id == merchant_id, StaffPin.staff_id == staff_id)
    )
    await session.execute(
        update(StaffDevice)
        .where(StaffDevice.merchant_id == merchant_id, StaffDevice.shift_staff_id == staff_id)
        .values(shift_staff_id=None, shift_opened_at=None, shift_active_at=None)
    )


async def _end_shifts(session: AsyncSession, store: StoreRef, *, staff_id: UUID | None) -> None:
    await session.execute(
        update(StaffDevice)
        .where(
            StaffDevice.merchant_id == store.merchant_id,
            StaffDevice.store_id == store.id,
            StaffDevice.shift_staff_id.is_(None)
            if staff_id is None
            else StaffDevice.shift_staff_id == staff_id,
        )
        .values(shift_staff_id=None, shift_opened_at=None, shift_active_at=None)
    )
