"""Stores and programmes as the other modules see them: read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.hooks import Tell
from app.kernel.permissions import Principal
from app.modules.merchants.public import get_merchant
from app.modules.stores.models import Program, Store


class StoreKey(Protocol):
    """Anything that names a store with its tenant, such as the StoreRef of a public address."""

    @property
    def merchant_id(self) -> UUID:
        """Return the tenant."""
        ...

    @property
    def id(self) -> UUID:
        """Return the store's id."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramView:
    """The rules of one or several stores, as they stand now."""

    id: UUID
    merchant_id: UUID
    name: str
    loyalty_type: str
    stamps_needed: int
    points_per_unit: Decimal
    rounding: str
    cooldown_minutes: int
    stamps_per_visit: int
    visits_per_day: int
    full_card: str
    points_expiry: str
    points_expiry_months: int
    points_expiry_since: datetime | None
    stamps_expiry_months: int | None
    stamps_expiry_since: datetime | None
    design: Mapping[str, Any]
    design_version: int
    created_at: datetime


@dataclass(frozen=True)
class ProgramChange:
    """A programme was made (before is None) or changed, in the transaction at hand, its row locked."""

    session: AsyncSession
    principal: Principal
    before: ProgramView | None
    after: ProgramView
    now: datetime
    modules_on: frozenset[str] = frozenset()


PROGRAM_CHANGED: Tell[ProgramChange] = Tell(
    "PROGRAM_CHANGED", about="A programme was made or changed; rewards follow it, wallets redraw."
)


@dataclass(frozen=True, slots=True)
class StoreView:
    """A branch with its programme and the addresses customers use."""

    id: UUID
    merchant_id: UUID
    name: str
    program: ProgramView
    loyalty_type: str
    time_zone: str
    currency: str
    phone_pins: bool
    address: str | None
    latitude: float | None
    longitude: float | None
    opening_hours: Mapping[str, Any]
    created_at: datetime
    closed_at: datetime | None
    join_url: str
    stamp_url: str
    points_url: str


def program_view(program: Program) -> ProgramView:
    """Return the view of a programme row."""
    return ProgramView(**{name: getattr(program, name) for name in ProgramView.__dataclass_fields__})


def store_view(store: Store, program: Program, *, currency: str, public_url: str) -> StoreView:
    """Return the view of a store row with its programme."""
    base = public_url.rstrip("/")
    return StoreView(
        id=store.id,
        merchant_id=store.merchant_id,
        name=store.name,
        program=program_view(program),
        loyalty_type=program.loyalty_type,
        time_zone=store.time_zone,
        currency=currency,
        phone_pins=store.phone_pins,
        address=store.address,
        latitude=store.latitude,
        longitude=store.longitude,
        opening_hours=store.opening_hours,
        created_at=store.created_at,
        closed_at=store.closed_at,
        join_url=f"{base}/join/{store.id}",
        stamp_url=f"{base}/stamp/{store.id}",
        points_url=f"{base}/points/{store.id}",
    )


async def get_store(session: AsyncSession, store: StoreKey | UUID, store_id: UUID | None = None) -> StoreView:
    """Return a store of the bound tenant, by a reference or by (merchant_id, store_id).

    Raises NotFound for an unknown store and for another merchant's.
    """
    merchant_id = store if isinstance(store, UUID) else store.merchant_id
    wanted = store_id if isinstance(store, UUID) else store.id
    assert wanted is not None, "a merchant id alone names no store"
    found = await _load(session, merchant_id, Store.id == wanted)
    if not found:
        raise NotFound("store")
    return found[0]


async def list_stores(session: AsyncSession, merchant_id: UUID) -> list[StoreView]:
    """Return the merchant's stores, the open ones first, each in the order they were made.

    Only those that the signed-in member of the session is limited to, where there is such a limit.
    """
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    return await _load(session, merchant_id, *([Store.id.in_(limited_to)] if limited_to else []))


async def list_program_stores(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> list[StoreView]:
    """Return the open stores that share a programme."""
    return await _load(session, merchant_id, Store.program_id == program_id, Store.closed_at.is_(None))


async def get_program(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> ProgramView:
    """Return a programme of the bound tenant; raises NotFound."""
    row = (
        await session.execute(
            select(Program).where(Program.merchant_id == merchant_id, Program.id == program_id)
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("programme")
    return program_view(row)


async def lock_program(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> Program:
    """Lock a programme's row until the transaction ends, before its rewards change; raises NotFound."""
    row = (
        await session.execute(
            select(Program)
            .where(Program.merchant_id == merchant_id, Program.id == program_id)
            # Cards being made or stamped only refer to the row; they need not wait.
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("programme")
    return row


STORES_LISTED_MAX = 1_000


async def _load(session: AsyncSession, merchant_id: UUID, *conditions: Any) -> list[StoreView]:
    rows = (
        await session.execute(
            select(Store, Program)
            .join(Program, (Program.merchant_id == Store.merchant_id) & (Program.id == Store.program_id))
            .where(Store.merchant_id == merchant_id, *conditions)
            .order_by(Store.closed_at.is_not(None), Store.id)
            .limit(STORES_LISTED_MAX)
        )
    ).all()
    if not rows:
        return []
    currency = (await get_merchant(session, merchant_id)).currency
    public_url = resources_of(session).get(Settings).public_url
    return [store_view(store, program, currency=currency, public_url=public_url) for store, program in rows]
