"""The credit ledger, its lots, and the balance of each card."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class CreditEntry(TenantRow, Base):
    """One movement of credit, for ever. lots: [[lot id, minor units], …] that it took from, or gave back to.

    voids: the entry that this one takes back; each is taken back once. rule: by what it came about (rate, rounding,
    expiry, reason): ids and numbers.
    """

    __tablename__ = "credit_entry"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("store_id", "store"),
        CheckConstraint(
            "kind IN ('earn', 'spend', 'void', 'expire', 'adjust', 'transfer', 'erase')", name="kind"
        ),
        CheckConstraint("amount_minor <> 0", name="amount"),
        Index(None, "merchant_id", "pass_id", "id"),
        Index(None, "merchant_id", "at"),
        # A visit earns once and spends once, an entry is taken back once, whoever repeats it.
        Index(
            "uq_credit_entry_visit",
            "merchant_id",
            "visit_id",
            "kind",
            unique=True,
            postgresql_where=text("kind IN ('earn', 'spend')"),
        ),
        Index(
            "uq_credit_entry_voids",
            "merchant_id",
            "voids",
            unique=True,
            postgresql_where=text("voids IS NOT NULL"),
        ),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    store_id: Mapped[UUID | None] = mapped_column(info=NONE)
    visit_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    kind: Mapped[str] = mapped_column(info=NONE)
    amount_minor: Mapped[int] = mapped_column(info=NONE)
    balance_after: Mapped[int] = mapped_column(info=NONE)
    currency: Mapped[str] = mapped_column(info=NONE)
    rule: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    lots: Mapped[list[Any]] = mapped_column(server_default="[]", info=NONE)
    voids: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(info=NONE)


class CreditLot(TenantRow, Base):
    """Credit given at once, which expires together; the id is that of the entry that gave it.

    remaining_minor falls by spending; the sum over a card's lots is its balance (nothing, while that is below zero).
    expired_minor: what of it ran out, so that an undo does not take it a second time.
    """

    __tablename__ = "credit_lot"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        CheckConstraint("remaining_minor >= 0", name="remaining"),
        CheckConstraint("expired_minor >= 0", name="expired"),
        Index(None, "merchant_id", "pass_id"),
        Index(
            "ix_credit_lot_due",
            "merchant_id",
            "expires_at",
            postgresql_where=text("remaining_minor > 0 AND expires_at IS NOT NULL"),
        ),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    remaining_minor: Mapped[int] = mapped_column(info=NONE)
    expired_minor: Mapped[int] = mapped_column(server_default="0", info=NONE)
    earned_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime | None] = mapped_column(info=NONE)


class CreditAccount(Base):
    """A card's balance, moved with every entry under the card's lock. Below zero only by an undo a manager forced."""

    __tablename__ = "credit_account"
    __table_args__ = (tenant_fk("pass_id", "pass_object"),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    balance_minor: Mapped[int] = mapped_column(server_default="0", info=NONE)
