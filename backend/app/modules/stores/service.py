"""Making and changing stores and their programmes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.lookup import add_lookup
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Forbidden, Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.metering import take_room
from app.kernel.permissions import Principal
from app.modules.merchants.public import get_merchant
from app.modules.stores.models import Program, Store
from app.modules.stores.rules import DEFAULT_STAMPS_NEEDED, expiry_since, may_become
from app.modules.stores.views import (
    PROGRAM_CHANGED,
    ProgramChange,
    ProgramView,
    StoreView,
    get_program,
    get_store,
    list_program_stores,
    lock_program,
    program_view,
)
from app.utils.id_generator import new_id
from app.utils.security import Keyring

STORE_LOOKUP = "store"
PIN_SALT_BYTES = 16
STORES_MAX = 500


@dataclass(frozen=True, slots=True)
class NewStore:
    """What a store is made of. program_id: share that programme (loyalty_type may then be empty)."""

    name: str
    loyalty_type: str
    program_id: UUID | None = None
    time_zone: str | None = None
    address: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    opening_hours: Mapping[str, Any] = field(default_factory=dict)


async def create_store(
    session: AsyncSession, principal: Principal, new: NewStore, *, now: datetime
) -> StoreView:
    """Make a store, with its own programme and default rewards or sharing one; raises NotFound, Invalid."""
    if principal.store_ids:
        # Whoever is limited to some stores could not even see the one they made.
        raise Forbidden
    merchant_id = principal.merchant_id
    await take_room(session, merchant_id, "stores", at="name", now=now)
    merchant = await get_merchant(session, merchant_id)
    resources = resources_of(session)
    store_id = new_id()
    program = await _program_for(session, principal, new, now=now)
    session.add(
        Store(
            merchant_id=merchant_id,
            id=store_id,
            name=new.name,
            qr_code_url=f"{resources.get(Settings).public_url.rstrip('/')}/stamp/{store_id}",
            program_id=program.id,
            pin_salt=secrets.token_bytes(PIN_SALT_BYTES),
            pin_pepper_version=resources.get(Keyring).newest("pepper"),
            phone_pins=True,
            address=new.address,
            latitude=new.latitude,
            longitude=new.longitude,
            time_zone=new.time_zone or merchant.time_zone,
            opening_hours=dict(new.opening_hours),
            created_at=now,
        )
    )
    # The view is read back through the join that every reader uses.
    await session.flush()
    claimed = await add_lookup(
        session, STORE_LOOKUP, str(store_id), merchant_id=merchant_id, target_id=store_id
    )
    assert claimed, "a new id is nobody's"
    facts = {"loyalty_type": program.loyalty_type, "program_id": str(program.id)}
    await record_audit(
        session,
        principal,
        action="store.created",
        target_kind="store",
        target_id=store_id,
        now=now,
        facts=facts,
    )
    return await get_store(session, merchant_id, store_id)


async def _program_for(
    session: AsyncSession, principal: Principal, new: NewStore, *, now: datetime
) -> ProgramView:
    if new.program_id is not None:
        shared = await get_program(session, principal.merchant_id, new.program_id)
        if new.loyalty_type not in {"", shared.loyalty_type}:
            raise Invalid(extra={"fields": {"loyalty_type": _("The shared programme works in another way.")}})
        return shared
    program = Program(
        merchant_id=principal.merchant_id,
        id=new_id(),
        name=new.name,
        loyalty_type=new.loyalty_type,
        stamps_needed=DEFAULT_STAMPS_NEEDED,
        design={},
        created_at=now,
    )
    session.add(program)
    # Rewards point at the programme, and its defaults come from the database.
    await session.flush()
    await session.refresh(program)
    view = program_view(program)
    await PROGRAM_CHANGED.tell(ProgramChange(session, principal, before=None, after=view, now=now))
    return view


async def change_store(
    session: AsyncSession, principal: Principal, store_id: UUID, *, changes: Mapping[str, Any], now: datetime
) -> StoreView:
    """Change a store's own fields; `closed` closes it or opens it again. Raises NotFound."""
    row = (
        await session.execute(
            select(Store)
            .where(Store.merchant_id == principal.merchant_id, Store.id == store_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("store")
    wanted = {name: value for name, value in changes.items() if name != "closed"}
    if "closed" in changes and changes["closed"] != (row.closed_at is not None):
        wanted["closed_at"] = now if changes["closed"] else None
        if not changes["closed"]:
            await take_room(session, row.merchant_id, "stores", at="name", now=now)
    moved = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if moved:
        await session.execute(
            update(Store).where(Store.merchant_id == row.merchant_id, Store.id == row.id).values(**moved)
        )
        await record_audit(
            session,
            principal,
            action=_store_action(moved),
            target_kind="store",
            target_id=store_id,
            now=now,
            facts={"fields": sorted(moved)},
        )
    return await get_store(session, principal.merchant_id, store_id)


def _store_action(moved: Mapping[str, Any]) -> str:
    if "closed_at" in moved:
        return "store.reopened" if moved["closed_at"] is None else "store.closed"
    return "store.changed"


async def change_program(
    session: AsyncSession, principal: Principal, store_id: UUID, *, changes: Mapping[str, Any], now: datetime
) -> ProgramView:
    """Change the rules of a store's programme, for every store that shares it; raises NotFound, Invalid.

    changes: columns of the programme; design is merged key by key. stamps_needed moves the highest active
    stamp reward, which the rewards module does when it is told.
    """
    merchant_id = principal.merchant_id
    store = await get_store(session, merchant_id, store_id)
    row = await lock_program(session, merchant_id, store.program.id)
    before = program_view(row)
    moved = _program_moves(before, changes, now)
    if not moved:
        return before
    await session.execute(
        update(Program).where(Program.merchant_id == merchant_id, Program.id == row.id).values(**moved)
    )
    after = await _reload(session, row)
    await PROGRAM_CHANGED.tell(ProgramChange(session, principal, before=before, after=after, now=now))
    await record_audit(
        session,
        principal,
        action="programme.changed",
        target_kind="programme",
        target_id=row.id,
        now=now,
        facts={"fields": sorted(moved)},
    )
    return await _reload(session, row)


async def _reload(session: AsyncSession, row: Program) -> ProgramView:
    await session.refresh(row)
    return program_view(row)


def _program_moves(before: ProgramView, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    current = {name: getattr(before, name) for name in ProgramView.__dataclass_fields__}
    wanted = dict(changes)
    if not may_become(before.loyalty_type, wanted.get("loyalty_type", before.loyalty_type)):
        raise Invalid(
            extra={"fields": {"loyalty_type": _("A programme can only be widened to stamps and points.")}}
        )
    if "stamps_needed" in wanted and wanted.get("loyalty_type", before.loyalty_type) == "points":
        raise Invalid(extra={"fields": {"stamps_needed": _("This programme gives no stamps.")}})
    if "design" in wanted:
        merged = {**before.design, **wanted["design"]}
        wanted["design"] = {name: value for name, value in merged.items() if value is not None}
    moved = {name: value for name, value in wanted.items() if current[name] != value}
    if "design" in moved:
        moved["design_version"] = before.design_version + 1
    return moved | expiry_since(moved, current, now)


async def count_sharing_stores(session: AsyncSession, store: StoreView) -> int:
    """Return how many open stores work by the store's programme."""
    return len(await list_program_stores(session, store.merchant_id, store.program.id))


async def forget_stores(session: AsyncSession, merchant_id: UUID) -> None:
    """Blank what the stores and programmes of a business that is gone say besides name and rules; the rows stay.

    The new salt fits nothing: no PIN was ever hashed with it.
    """
    await session.execute(
        update(Store)
        .where(Store.merchant_id == merchant_id)
        .values(
            address=None,
            latitude=None,
            longitude=None,
            opening_hours={},
            staff_pin_hash=None,
            staff_pin_since=None,
            pin_salt=secrets.token_bytes(PIN_SALT_BYTES),
        )
    )
    await session.execute(update(Program).where(Program.merchant_id == merchant_id).values(design={}))
