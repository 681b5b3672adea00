"""The end of a closed business: its people are erased first, and what is left once wallets have heard of it.

Ledgers and what they point at stay, as ids and numbers without a person or a name behind them: the runtime role may
not delete them, and no function is made that could. The installation's owner takes them away (docs/closing.md).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base
from app.db.lookup import Lookup
from app.db.rights import APP_GRANTS
from app.modules.cards.public import PassObject
from app.modules.closing.guards import FEATURE
from app.modules.closing.models import BusinessClosing
from app.modules.closing.service import find_closing
from app.modules.customers.public import Customer, erase_person
from app.modules.merchants.public import EMAIL_LOOKUP, forget_merchant, set_feature_rules
from app.modules.stores.public import forget_stores
from app.modules.wallets.public import mark_changed

BATCH = 50
# Rows that one transaction takes away: well below what a statement may last, also of tables with pictures.
ROWS = 1_000
# They say what is left, and that it was closed.
KEPT = frozenset({"merchant", "business_closing"})
SIGN_INS = frozenset(
    {"merchant_session", "half_sign_in", "member_link", "member_invitation", "api_key", "staff_device"}
)


async def erase_batch(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> bool:
    """Erase the next people of a business whose time is over; True where there are more.

    The row is locked and looked at again: opened again in the last moment, nothing more happens.
    """
    closing = await find_closing(session, merchant_id, lock=True)
    if closing is None or closing.erased_at is not None or now < closing.erase_at:
        return False
    people = await session.scalars(
        select(Customer.id)
        .where(Customer.merchant_id == merchant_id, Customer.erased_at.is_(None))
        .order_by(Customer.id)
        .limit(BATCH)
    )
    ids = list(people)
    for customer_id in ids:
        await erase_person(session, merchant_id, customer_id)
        cards = await session.scalars(
            select(PassObject.id).where(
                PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
            )
        )
        for pass_id in cards:
            await mark_changed(session, merchant_id, pass_id)
    if ids:
        return True
    await _shut(session, merchant_id, now=now)
    return False


async def _shut(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Let nobody in any more, and let the address sign up anew."""
    await set_feature_rules(session, merchant_id, FEATURE, {"since": now.isoformat(), "erased": True})
    for table in removable_tables():
        if table.name in SIGN_INS:
            await _empty(session, table, merchant_id)
    await session.execute(
        delete(Lookup).where(Lookup.merchant_id == merchant_id, Lookup.kind == EMAIL_LOOKUP)
    )
    await session.execute(
        update(BusinessClosing).where(BusinessClosing.merchant_id == merchant_id).values(erased_at=now)
    )


async def empty_batch(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> bool:
    """Take away the next rows that are left of an erased business; True where there are more.

    With the last of them it and its stores lose what they said about themselves, and it is marked as emptied.
    """
    closing = await find_closing(session, merchant_id, lock=True)
    if closing is None or closing.erased_at is None or closing.emptied_at is not None:
        return False
    room = ROWS
    for table in [*removable_tables(), Base.metadata.tables[Lookup.__tablename__]]:
        room -= await _take_away(session, table, merchant_id, most=room)
        if room <= 0:
            return True
    await forget_merchant(session, merchant_id)
    await forget_stores(session, merchant_id)
    await session.execute(
        update(BusinessClosing).where(BusinessClosing.merchant_id == merchant_id).values(emptied_at=now)
    )
    return False


async def _take_away(session: AsyncSession, table: Table, merchant_id: UUID, *, most: int) -> int:
    """Delete so many rows of a table at most; return how many."""
    key = table.primary_key.columns
    next_ones = select(*key).where(table.c.merchant_id == merchant_id).limit(most)
    gone = await session.execute(
        delete(table)
        .where(table.c.merchant_id == merchant_id, tuple_(*key).in_(next_ones))
        .returning(table.c.merchant_id)
    )
    return len(gone.all())


async def _empty(session: AsyncSession, table: Table, merchant_id: UUID) -> None:
    await session.execute(delete(table).where(table.c.merchant_id == merchant_id))


def removable_tables() -> list[Table]:
    """Return the tenants' tables whose rows may go, those that point at others first.

    Kept is what the runtime role may not delete, and what that points at.
    """
    tables = [table for table in Base.metadata.sorted_tables if "merchant_id" in table.c]
    kept = set(KEPT)
    kept |= {table.name for table in tables if "DELETE" not in APP_GRANTS.get(table.name, "DELETE")}
    # sorted_tables puts what is pointed at first; the other way round each is looked at after what points at it.
    for table in reversed(Base.metadata.sorted_tables):
        if table.name in kept:
            kept |= {key.column.table.name for key in table.foreign_keys}
    return [table for table in reversed(tables) if table.name not in kept and table.name != "lookup"]
