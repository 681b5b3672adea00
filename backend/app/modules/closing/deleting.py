"""Deleting a store that was never used: one made by mistake, or for a try. A used one is closed, never deleted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base
from app.db.lookup import remove_lookup
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal

# What a store has from its first day, or for its staff: it goes with it. Every other row means that it was used.
GOES_ALONG = frozenset({"staff_pin", "staff_device"})
OF_A_PROGRAM = ("reward", "program")


def pointing_at(name: str) -> list[Table]:
    """Return the tables whose rows name a row of this table."""
    return [
        table
        for table in Base.metadata.sorted_tables
        if any(key.column.table.name == name for key in table.foreign_keys if key.parent.name == f"{name}_id")
    ]


async def is_used(session: AsyncSession, merchant_id: UUID, store_id: UUID) -> bool:
    """Tell whether a card, a visit or anything else names the store."""
    for table in pointing_at("store"):
        if table.name in GOES_ALONG:
            continue
        named = select(table.c.merchant_id).where(
            table.c.merchant_id == merchant_id, table.c.store_id == store_id
        )
        if (await session.execute(named.limit(1))).first() is not None:
            return True
    return False


async def delete_store(
    session: AsyncSession, principal: Principal, store_id: UUID, *, now: datetime
) -> Refusal | None:
    """Delete a closed store that nothing names, and its programme where no other store has it.

    Refuses store_in_use, also for one that is open; raises NotFound. The row is locked before it is looked at: a
    card or visit made at the same moment is seen, or finds no store.
    """
    store, merchant_id = Base.metadata.tables["store"], principal.merchant_id
    mine = (store.c.merchant_id == merchant_id, store.c.id == store_id)
    row = (
        await session.execute(select(store.c.closed_at, store.c.program_id).where(*mine).with_for_update())
    ).one_or_none()
    if row is None:
        raise NotFound("store")
    if row.closed_at is None or await is_used(session, merchant_id, store_id):
        return Refusal("store_in_use")
    for name in sorted(GOES_ALONG):
        table = Base.metadata.tables[name]
        await session.execute(
            delete(table).where(table.c.merchant_id == merchant_id, table.c.store_id == store_id)
        )
    await session.execute(delete(store).where(*mine))
    await remove_lookup(session, "store", str(store_id), merchant_id=merchant_id)
    with_program = await _delete_program(session, merchant_id, row.program_id)
    await record_audit(
        session,
        principal,
        action="store.deleted",
        target_kind="store",
        target_id=store_id,
        now=now,
        facts={"programme_too": with_program},
    )
    return None


async def _delete_program(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> bool:
    """Delete a programme with its rewards; False where another store or anything else has it: then it stays."""
    try:
        async with session.begin_nested():
            for name in OF_A_PROGRAM:
                table = Base.metadata.tables[name]
                column = table.c.id if name == "program" else table.c.program_id
                await session.execute(
                    delete(table).where(table.c.merchant_id == merchant_id, column == program_id)
                )
    except IntegrityError:
        return False
    return True
