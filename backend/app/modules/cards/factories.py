"""Makes cards for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update

from app.db.session import Database, tenant_scope
from app.modules.cards.models import PassObject
from app.modules.cards.service import create_card
from app.modules.customers.public import CustomerDetails, confirm_email
from app.modules.stores.public import get_store
from app.utils.id_generator import new_id

MADE_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class MadeCard:
    """A card of a test. token: opens it, as ?t= or in the cookie."""

    id: UUID
    card_number: str
    token: str
    merchant_id: UUID
    customer_id: UUID
    program_id: UUID


async def make_card(
    database: Database,
    store: Any,
    *,
    stamps: int = 0,
    points: int = 0,
    verified: bool = False,
    columns: dict[str, Any] | None = None,
    **details: Any,
) -> MadeCard:
    """Make a card in a store (anything with merchant_id and id) through the use case.

    stamps, points: balances to begin with, as ledger entries. columns: raw values of pass_object.
    details: now, and the holder's name, email, phone, birthday, locale, email_consent.
    """
    async with tenant_scope(database, store.merchant_id) as session:
        now: datetime = details.pop("now", MADE_AT)
        view = await get_store(session, store)
        made = await create_card(session, view, CustomerDetails(**details), now=now, source="test")
        card = made.card
        if verified:
            await confirm_email(session, card.merchant_id, card.customer_id, now=now)
        await _fill(session, card, view.id, stamps=stamps, points=points, now=now)
        if columns:
            await session.execute(
                update(PassObject)
                .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
                .values(**columns)
            )
    return MadeCard(
        card.id, card.card_number, made.token, card.merchant_id, card.customer_id, card.program_id
    )


async def _fill(session: Any, card: Any, store_id: UUID, *, stamps: int, points: int, now: datetime) -> None:
    from app.modules.points.models import PointsEvent, PointsLot
    from app.modules.stamps.models import StampEvent

    common = {"merchant_id": card.merchant_id, "pass_id": card.id, "kind": "adjust", "timestamp": now}
    if stamps:
        session.add(
            StampEvent(id=new_id(), store_id=store_id, stamps_added=stamps, balance_after=stamps, **common)
        )
    if points:
        entry_id = new_id()
        session.add(
            PointsEvent(id=entry_id, store_id=store_id, points_added=points, balance_after=points, **common)
        )
        session.add(
            PointsLot(
                merchant_id=card.merchant_id,
                id=entry_id,
                pass_id=card.id,
                remaining=points,
                earned_at=now,
                expires_at=None,
            )
        )
    if stamps or points:
        await session.flush()
        await session.execute(
            update(PassObject)
            .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
            .values(stamp_count=stamps, points_balance=points)
        )
