"""Rewards and their redemptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, TenantRow, tenant_fk


class Reward(TenantRow, Base):
    """What a programme gives at a threshold of stamps or points. reward_kind: a key of REWARD_KIND.

    title and text stand for all languages; texts: {language: {"title", "text"}} for those who read another.
    """

    __tablename__ = "reward"
    __table_args__ = (
        tenant_fk("program_id", "program"),
        CheckConstraint("kind IN ('stamps', 'points')", name="kind"),
        CheckConstraint("threshold > 0", name="threshold"),
        Index(None, "merchant_id", "program_id"),
    )
    program_id: Mapped[UUID] = mapped_column(info=NONE)
    kind: Mapped[str] = mapped_column(info=NONE)
    reward_kind: Mapped[str] = mapped_column(server_default="free_item", info=NONE)
    threshold: Mapped[int] = mapped_column(info=NONE)
    title: Mapped[str] = mapped_column(info=NONE)
    text: Mapped[str | None] = mapped_column(info=NONE)
    texts: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    picture: Mapped[str | None] = mapped_column(info=NONE)
    active: Mapped[bool] = mapped_column(server_default="true", info=NONE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class Redemption(TenantRow, Base):
    """One reward given. taken: what paid for it (balance, a banked or a kept reward), to undo it exactly."""

    __tablename__ = "redemption"
    __table_args__ = (
        tenant_fk("reward_id", "reward"),
        tenant_fk("pass_id", "pass_object"),
        tenant_fk("store_id", "store"),
        Index(None, "merchant_id", "pass_id", "id"),
        Index(None, "merchant_id", "store_id", "id"),
    )
    reward_id: Mapped[UUID] = mapped_column(info=NONE)
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    given_by: Mapped[str] = mapped_column(info=NONE)
    device_id: Mapped[UUID | None] = mapped_column(info=NONE)
    kind: Mapped[str] = mapped_column(info=NONE)
    cost: Mapped[int] = mapped_column(info=NONE)
    taken: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    redeemed_at: Mapped[datetime] = mapped_column(info=NONE)
    voided_at: Mapped[datetime | None] = mapped_column(info=NONE)
    voided_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    void_reason: Mapped[str | None] = mapped_column(info=NONE)


class Gift(TenantRow, Base):
    """Something given without a visit: for a birthday, for a friend. The key says what it is for, once.

    given: what it did to the card, to take exactly that back. The entries are of kind "gift", which nothing counts as
    earned.
    """

    __tablename__ = "gift"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        UniqueConstraint("merchant_id", "reason", "key"),
        Index(None, "merchant_id", "pass_id", "id"),
    )
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    reason: Mapped[str] = mapped_column(info=NONE)
    key: Mapped[str] = mapped_column(info=PSEUDONYM)
    stamps: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points: Mapped[int] = mapped_column(server_default="0", info=NONE)
    reward_id: Mapped[UUID | None] = mapped_column(info=NONE)
    given: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    given_at: Mapped[datetime] = mapped_column(info=NONE)
    taken_back_at: Mapped[datetime | None] = mapped_column(info=NONE)
