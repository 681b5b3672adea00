"""What credit contributes to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg
from app.kernel.money import to_major
from app.kernel.points import PersonalData, Purpose
from app.modules.cards.public import PassObject, lock_cards
from app.modules.cashback.ledger import Cause, open_purse
from app.modules.cashback.models import CreditEntry
from app.modules.cashback.queries import LotEnd, list_entries, lot_ends
from app.modules.merchants.public import get_merchant


async def _cards(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[UUID]:
    """Return all cards of a person, those that are erased or joined to others included."""
    rows = await session.scalars(
        select(PassObject.id).where(
            PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
        )
    )
    return list(rows)


def _fact(entry: CreditEntry, lot: LotEnd | None) -> dict[str, object]:
    expires_at = lot.expires_at if lot else None
    return {
        "pass_id": str(entry.pass_id),
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "amount": str(to_major(entry.amount_minor, entry.currency)),
        "balance_after": str(to_major(entry.balance_after, entry.currency)),
        "currency": entry.currency,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }


async def export_credit(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return every movement of credit on the customer's cards."""
    ids = await _cards(session, merchant_id, customer_id)
    entries = await list_entries(session, merchant_id, ids)
    ends = await lot_ends(session, merchant_id, entries)
    rows = [_fact(entry, ends.get(entry.id)) for entry in reversed(entries)]
    return {"store_credit": rows} if rows else {}


async def erase_credit(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """End the credit of a person who asks to be forgotten: nobody could ever spend it, so nobody owes it any more.

    The entries stay for the books, with a card's id that leads to nobody. A debt ends as well.
    """
    currency = (await get_merchant(session, merchant_id)).currency
    ids = await _cards(session, merchant_id, customer_id)
    now = (await session.execute(select(func.now()))).scalar_one()
    for card in await lock_cards(session, merchant_id, ids):
        purse = await open_purse(session, merchant_id, card.id)
        await purse.settle_debt(Cause("erase", currency), now=now)
        await purse.end(list(purse.lots.values()), Cause("erase", currency), now=now)


PERSONAL = PersonalData(
    tables=("credit_entry", "credit_lot", "credit_account"),
    export=export_credit,
    erase=erase_credit,
    purpose=Purpose(msg("Store credit: what is given, spent and expires")),
)
