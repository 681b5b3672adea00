"""Stores for tests: made through the use case, then set to what the test needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.session import Database, tenant_scope
from app.kernel.permissions import Principal
from app.modules.merchants.factories import MadeMerchant
from app.modules.stores.public import ProgramView, StoreView, get_store
from app.modules.stores.service import NewStore, change_program, change_store, create_store

MADE_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_NEW = frozenset(NewStore.__dataclass_fields__)
_PROGRAM = frozenset(ProgramView.__dataclass_fields__) - _NEW


async def make_store(
    database: Database, merchant: MadeMerchant, loyalty_type: str = "stamps", **over: Any
) -> StoreView:
    """Make a store with its default reward (10 stamps, 100 points).

    over: fields of NewStore (name, program_id, time_zone…), of the programme (stamps_needed,
    cooldown_minutes, points_per_unit, full_card…) and of the store (phone_pins, closed).
    """
    new = {"name": "CoffeeLux Gare", **{name: value for name, value in over.items() if name in _NEW}}
    rules = {name: value for name, value in over.items() if name in _PROGRAM}
    own = {name: value for name, value in over.items() if name not in _NEW | _PROGRAM}
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(database, merchant.id) as session:
        store = await create_store(session, owner, NewStore(loyalty_type=loyalty_type, **new), now=MADE_AT)
        if rules:
            await change_program(session, owner, store.id, changes=rules, now=MADE_AT)
        if own:
            await change_store(session, owner, store.id, changes=own, now=MADE_AT)
        return await get_store(session, merchant.id, store.id)
