"""Cashback in the demo shops: months of purchases with what came back, some of it spent, some expired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from app.kernel.ledger import Lot, take_from_lots
from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot
from app.modules.cashback.rules import decide_cashback, decide_expiry, is_alive, spendable
from app.modules.cashback.service import change_settings
from app.modules.cashback.settings import CashbackSettings
from app.modules.cashback.till import FEATURE
from app.modules.merchants.public import get_merchant, switch_feature
from app.modules.visits.public import Visit
from app.utils.id_generator import new_id

HISTORY = timedelta(days=200)
# Who has five euros or more spends it with every fourth purchase.
SPENDS_FROM, SPENDS = 500, 0.25
BATCH = 2_000
SETTINGS = CashbackSettings(rate_bp=300, rounding="half_even", expiry_months=4)


@dataclass
class Book:
    """The credit of one card, written as the till would have."""

    merchant_id: UUID
    pass_id: UUID
    currency: str
    zone: str
    balance: int = 0
    lots: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def _open(self) -> list[Lot]:
        return [
            Lot(lot["id"], lot["remaining_minor"], lot["expires_at"])
            for lot in self.lots.values()
            if lot["remaining_minor"]
        ]

    def _write(self, kind: str, amount: int, at: datetime, lots: list[Any], **over: Any) -> UUID:
        self.balance += amount
        entry_id = new_id(at=at)
        common: dict[str, Any] = {"store_id": None, "visit_id": None, "staff_id": None, "rule": {}}
        self.entries.append(
            {
                **common,
                "merchant_id": self.merchant_id,
                "id": entry_id,
                "pass_id": self.pass_id,
                "kind": kind,
                "amount_minor": amount,
                "balance_after": self.balance,
                "currency": self.currency,
                "lots": lots,
                "at": at,
                **over,
            }
        )
        return entry_id

    def expire(self, now: datetime) -> None:
        """Take off what has run out, at the moment at which it did."""
        due = [lot for lot in self._open() if not is_alive(lot.expires_at, now)]
        for lot in sorted(due, key=lambda lot: (lot.expires_at, lot.id)):
            assert lot.expires_at is not None
            row = self.lots[lot.id]
            row["expired_minor"], row["remaining_minor"] = lot.remaining, 0
            self._write("expire", -lot.remaining, lot.expires_at, [[str(lot.id), lot.remaining]])

    def buy(self, visit: Any, random: Random) -> None:
        """Spend now and then, and earn on the rest."""
        self.expire(visit.at)
        facts = {"store_id": visit.store_id, "visit_id": visit.id, "staff_id": visit.staff_id}
        held, paid = spendable(self._open(), visit.at), 0
        if held >= SPENDS_FROM and random.random() < SPENDS:
            paid = min(held, visit.amount_minor) // 100 * 100
        if paid:
            uses = take_from_lots(self._open(), paid)
            for use in uses:
                self.lots[use.lot_id]["remaining_minor"] -= use.points
            self._write("spend", -paid, visit.at, [[str(use.lot_id), use.points] for use in uses], **facts)
        earned = decide_cashback(
            visit.amount_minor, paid, rate_bp=SETTINGS.rate_bp, rounding=SETTINGS.rounding
        )
        if not earned.amount_minor:
            return
        detail = (
            f"{SETTINGS.rate_bp}|{earned.base_minor}|{self.currency}|{'' if earned.is_exact else 'rounded'}"
        )
        rule = {"detail": detail, "rounding": SETTINGS.rounding}
        lot_id = self._write("earn", earned.amount_minor, visit.at, [], **facts, rule=rule)
        self.lots[lot_id] = {
            "merchant_id": self.merchant_id,
            "id": lot_id,
            "pass_id": self.pass_id,
            "remaining_minor": earned.amount_minor,
            "expired_minor": 0,
            "earned_at": visit.at,
            "expires_at": decide_expiry(visit.at, SETTINGS.expiry_months, time_zone=self.zone),
        }


async def add_credit(shop: DemoShop) -> None:
    """Switch cashback on where amounts are typed in, and give what the last months would have given."""
    session, merchant_id = shop.session, shop.merchant_id
    found = await session.execute(
        select(Visit.pass_id, Visit.id, Visit.store_id, Visit.staff_id, Visit.at, Visit.amount_minor)
        .where(
            Visit.merchant_id == merchant_id,
            Visit.amount_minor.is_not(None),
            Visit.voided_at.is_(None),
            Visit.at >= shop.now - HISTORY,
            Visit.pass_id.in_(list(shop.card_ids)),
        )
        .order_by(Visit.pass_id, Visit.id)
    )
    visits = found.all()
    if not visits:
        return
    owner = Principal("system", merchant_id, None)
    await switch_feature(session, owner, FEATURE, is_on=True, now=shop.now)
    await change_settings(session, owner, SETTINGS, now=shop.now)
    merchant = await get_merchant(session, merchant_id)
    books = []
    for pass_id, rows in groupby(visits, key=lambda visit: visit.pass_id):
        book = Book(merchant_id, pass_id, merchant.currency, merchant.time_zone)
        for visit in rows:
            book.buy(visit, shop.random)
        book.expire(shop.now)
        books.append(book)
    for table, all_rows in (
        (CreditEntry, [entry for book in books for entry in book.entries]),
        (CreditLot, [lot for book in books for lot in book.lots.values()]),
        (CreditAccount, [_account(book) for book in books]),
    ):
        for batch in _batches(all_rows):
            await session.execute(insert(table), batch)


def _account(book: Book) -> dict[str, Any]:
    return {"merchant_id": book.merchant_id, "pass_id": book.pass_id, "balance_minor": book.balance}


def _batches(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), BATCH):
        yield list(rows[start : start + BATCH])
