"""The mechanism of every ledger: signed append-only entries whose sum is the balance.

A ledger table has pass_id, an integer amount column and balance_after; the runtime role may insert and read,
never change. Totals kept elsewhere are copies, and `check` proves that they equal the entries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Keyed


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise found by an invariant: ids and numbers only."""

    invariant: str
    merchant_id: UUID
    subject_id: UUID | None
    detail: str


Invariant = Callable[[AsyncSession], Awaitable[Sequence[Violation]]]

# Checked for one merchant at a time in a tenant transaction: by `stempel check`, nightly by the worker, in tests.
INVARIANT: Keyed[Invariant] = Keyed("INVARIANT", about="A promise about the data that check proves.")


@dataclass(frozen=True, slots=True)
class Lot:
    """Points earned at once that expire together. remaining: what is not spent yet."""

    id: UUID
    remaining: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LotUse:
    """How many points a spending entry took from a lot."""

    lot_id: UUID
    points: int


def take_from_lots(lots: Sequence[Lot], points: int) -> list[LotUse]:
    """Choose the lots a spending of `points` is taken from: soonest expiry first, lots without expiry last.

    Takes at most what is there; the caller has checked the balance (a forced void may leave a debt).
    """
    uses: list[LotUse] = []
    ordered = sorted(lots, key=lambda lot: (lot.expires_at is None, lot.expires_at or datetime.max, lot.id))
    for lot in ordered:
        if points <= 0:
            break
        taken = min(lot.remaining, points)
        if taken > 0:
            uses.append(LotUse(lot.id, taken))
            points -= taken
    return uses


def balance_check_sql(*, ledger: str, amount: str, total: str) -> str:
    """Return the query that lists cards whose running total differs from the sum of the ledger's entries.

    The names come from code, never from input.
    """
    return f"""
        SELECT card.id, card.{total} AS total, coalesce(sum(entry.{amount}), 0) AS entries
        FROM pass_object card LEFT JOIN {ledger} entry
          ON entry.merchant_id = card.merchant_id AND entry.pass_id = card.id
        GROUP BY card.merchant_id, card.id, card.{total}
        HAVING card.{total} <> coalesce(sum(entry.{amount}), 0)
    """  # noqa: S608 - the three names are constants of the callers


async def check_balances(
    session: AsyncSession, merchant_id: UUID, *, invariant: str, ledger: str, amount: str, total: str
) -> list[Violation]:
    """Return every card of the tenant whose total differs from its entries."""
    rows = await session.execute(text(balance_check_sql(ledger=ledger, amount=amount, total=total)))
    return [
        Violation(invariant, merchant_id, row.id, f"total {row.total}, entries {row.entries}") for row in rows
    ]
