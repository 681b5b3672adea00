"""The ladder, where each card stands on it, and every move."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class TierLevel(TenantRow, Base):
    """A level. threshold: points, minor units or visits, as the settings say. removed_at: held to the period's end."""

    __tablename__ = "tier_level"
    __table_args__ = (
        CheckConstraint("threshold >= 0", name="threshold"),
        Index(None, "merchant_id", "threshold", unique=True, postgresql_where=text("removed_at IS NULL")),
    )
    name: Mapped[str] = mapped_column(info=NONE)
    threshold: Mapped[int] = mapped_column(info=NONE)
    multiplier: Mapped[Decimal] = mapped_column(Numeric(4, 2), server_default="1", info=NONE)
    perks: Mapped[str] = mapped_column(server_default="", info=NONE)
    entry_points: Mapped[int] = mapped_column(server_default="0", info=NONE)
    entry_stamps: Mapped[int] = mapped_column(server_default="0", info=NONE)
    removed_at: Mapped[datetime | None] = mapped_column(info=NONE)


class TierStanding(Base):
    """Where a card stands; written under the card's lock, with its trait. qualifying: what counted when it was seen.

    before: the standing before the last level was reached, and when that was seen: a visit typed wrong and undone
    at once takes the level back with it.
    """

    __tablename__ = "tier_standing"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("level_id", "tier_level"),
        Index(None, "merchant_id", "level_id"),
        Index(None, "merchant_id", "held_until", postgresql_where=text("held_until IS NOT NULL")),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    level_id: Mapped[UUID | None] = mapped_column(info=NONE)
    since: Mapped[date | None] = mapped_column(info=NONE)
    period_end: Mapped[date | None] = mapped_column(info=NONE)
    held_until: Mapped[date | None] = mapped_column(info=NONE)
    seen_on: Mapped[date] = mapped_column(info=NONE)
    qualifying: Mapped[int] = mapped_column(server_default="0", info=NONE)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), info=NONE)
    moved_at: Mapped[datetime | None] = mapped_column(info=NONE)


class TierMove(TenantRow, Base):
    """A level reached, lapsed or corrected, on a day of the shop's calendar."""

    __tablename__ = "tier_move"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("before_id", "tier_level"),
        tenant_fk("after_id", "tier_level"),
        CheckConstraint("why IN ('reached', 'lapsed', 'corrected')", name="why"),
        Index(None, "merchant_id", "pass_id", "id"),
        Index(None, "merchant_id", "on_day"),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    before_id: Mapped[UUID | None] = mapped_column(info=NONE)
    after_id: Mapped[UUID | None] = mapped_column(info=NONE)
    why: Mapped[str] = mapped_column(info=NONE)
    on_day: Mapped[date] = mapped_column(info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)
