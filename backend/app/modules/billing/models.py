"""How much a merchant used in a month, and the plan they were given."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base, merchant_fk


class UsageMonth(Base):
    """What one meter counted in one month of a merchant's calendar.

    used: what the month is billed by: the highest count of a stock, all of what happened otherwise. latest: the newest
    count of a stock. warned_at, reached_at: when a limit came near and was reached, once a month. closed_at: the month
    is over and counted for the last time.
    """

    __tablename__ = "usage_month"
    __table_args__ = (
        merchant_fk(),
        Index(None, "merchant_id", "month", postgresql_where=text("closed_at IS NULL")),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    month: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    meter: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    used: Mapped[int] = mapped_column(server_default="0", info=NONE)
    latest: Mapped[int] = mapped_column(server_default="0", info=NONE)
    counted_at: Mapped[datetime] = mapped_column(info=NONE)
    warned_at: Mapped[datetime | None] = mapped_column(info=NONE)
    reached_at: Mapped[datetime | None] = mapped_column(info=NONE)
    closed_at: Mapped[datetime | None] = mapped_column(info=NONE)


class BillingAccount(Base):
    """The plan that the operator gave a merchant; no row: the default plan."""

    __tablename__ = "billing_account"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    plan: Mapped[str] = mapped_column(info=NONE)
    since: Mapped[datetime] = mapped_column(info=NONE)
