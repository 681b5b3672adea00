"""Movements of credit on a locked card: entries, the lots they are taken from or given back to, and the balance.

Every function here asks that the caller holds the card's lock: it is what keeps two tills from spending the same lot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.ledger import Lot, take_from_lots
from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot
from app.modules.cashback.rules import is_alive, share_back
from app.utils.id_generator import new_id


@dataclass(frozen=True, slots=True)
class Cause:
    """Why credit moves."""

    kind: str
    currency: str
    store_id: UUID | None = None
    visit_id: UUID | None = None
    staff_id: UUID | None = None
    voids: UUID | None = None
    rule: Mapping[str, Any] = field(default_factory=dict)


def lot_of(row: CreditLot) -> Lot:
    """Return a row as the rules know it."""
    return Lot(row.id, row.remaining_minor, row.expires_at)


@dataclass
class Purse:
    """The credit of one card, whose row the caller has locked."""

    session: AsyncSession
    account: CreditAccount
    lots: dict[UUID, CreditLot]

    @property
    def open_lots(self) -> list[Lot]:
        """Return the lots that still hold something."""
        return [lot_of(row) for row in self.lots.values() if row.remaining_minor > 0]

    async def give(
        self, amount_minor: int, cause: Cause, *, expires_at: datetime | None, now: datetime
    ) -> CreditEntry:
        """Give credit as a new lot; a debt is filled first and only the rest can be spent."""
        assert amount_minor > 0
        entry = self._add(amount_minor, cause, [], now=now)
        row = CreditLot(
            merchant_id=self.account.merchant_id,
            id=entry.id,
            pass_id=self.account.pass_id,
            remaining_minor=max(0, min(amount_minor, self.account.balance_minor)),
            expired_minor=0,
            earned_at=now,
            expires_at=expires_at,
        )
        self.session.add(row)
        self.lots[row.id] = row
        await self.session.flush()
        return entry

    async def take(
        self, amount_minor: int, cause: Cause, *, now: datetime, first: Sequence[UUID] = ()
    ) -> CreditEntry:
        """Take credit: soonest expiry first, after the lots named in `first`.

        The caller has weighed it; the balance falls below zero only by an undo that a manager forced.
        """
        assert amount_minor > 0
        wanted, uses = amount_minor, list[list[Any]]()
        for lot_id in first:
            row = self.lots.get(lot_id)
            if row is not None and row.remaining_minor > 0 and wanted > 0:
                taken = min(row.remaining_minor, wanted)
                row.remaining_minor -= taken
                wanted -= taken
                uses.append([str(lot_id), taken])
        for use in take_from_lots(self.open_lots, wanted):
            self.lots[use.lot_id].remaining_minor -= use.points
            uses.append([str(use.lot_id), use.points])
        entry = self._add(-amount_minor, cause, uses, now=now)
        await self.session.flush()
        return entry

    async def give_back(self, spent: CreditEntry, cause: Cause, *, now: datetime) -> CreditEntry:
        """Give back what an entry took, to the lots it was taken from, with their own expiry."""
        amount = -spent.amount_minor
        assert amount > 0
        entry = self._add(amount, cause, spent.lots, now=now)
        held = sum(row.remaining_minor for row in self.lots.values())
        uses = [(UUID(lot_id), int(taken)) for lot_id, taken in spent.lots]
        known = {row.id: lot_of(row) for row in self.lots.values()}
        room = max(0, self.account.balance_minor) - held
        for lot_id, part in share_back(uses, known, room=room).items():
            self.lots[lot_id].remaining_minor += part
        await self.session.flush()
        return entry

    async def expire(self, currency: str, *, now: datetime) -> int:
        """Take off what has run out, in one entry; return how much that was."""
        due = [
            row for row in self.lots.values() if row.remaining_minor > 0 and not is_alive(row.expires_at, now)
        ]
        due.sort(key=lambda row: (row.expires_at or now, row.id))
        return await self.end(due, Cause("expire", currency), now=now)

    async def end(self, rows: Sequence[CreditLot], cause: Cause, *, now: datetime) -> int:
        """Take off all that these lots still hold, in one entry; return how much that was."""
        uses: list[list[Any]] = [
            [str(row.id), row.remaining_minor] for row in rows if row.remaining_minor > 0
        ]
        for row in rows:
            row.expired_minor += row.remaining_minor
            row.remaining_minor = 0
        total: int = sum(part for _lot_id, part in uses)
        if total:
            self._add(-total, cause, uses, now=now)
        await self.session.flush()
        return total

    async def settle_debt(self, cause: Cause, *, now: datetime) -> None:
        """Let what the card owes go; nothing that could be spent comes of it."""
        if self.account.balance_minor < 0:
            self._add(-self.account.balance_minor, cause, [], now=now)
        await self.session.flush()

    def _add(self, amount_minor: int, cause: Cause, lots: list[Any], *, now: datetime) -> CreditEntry:
        self.account.balance_minor += amount_minor
        entry = CreditEntry(
            merchant_id=self.account.merchant_id,
            id=new_id(),
            pass_id=self.account.pass_id,
            store_id=cause.store_id,
            visit_id=cause.visit_id,
            staff_id=cause.staff_id,
            kind=cause.kind,
            amount_minor=amount_minor,
            balance_after=self.account.balance_minor,
            currency=cause.currency,
            rule=dict(cause.rule),
            lots=lots,
            voids=cause.voids,
            at=now,
        )
        self.session.add(entry)
        return entry


async def open_purse(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, also: Iterable[UUID] = ()
) -> Purse:
    """Return the credit of a card that the caller has locked, as it is now. also: lots wanted though they are empty."""
    account = await session.get(CreditAccount, (merchant_id, pass_id), populate_existing=True)
    if account is None:
        account = CreditAccount(merchant_id=merchant_id, pass_id=pass_id, balance_minor=0)
        session.add(account)
    rows = await session.scalars(
        select(CreditLot)
        .where(
            CreditLot.merchant_id == merchant_id,
            CreditLot.pass_id == pass_id,
            (CreditLot.remaining_minor > 0) | CreditLot.id.in_(list(also)),
        )
        .order_by(CreditLot.id)
        .execution_options(populate_existing=True)
    )
    return Purse(session, account, {row.id: row for row in rows})
