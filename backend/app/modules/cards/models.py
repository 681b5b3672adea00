"""The card a customer holds (table pass_object, as the seed named it)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk, tenant_fk


class PassObject(TenantRow, Base):
    """A card of one programme. stamp_count and points_balance always equal the sums of the entries.

    revision rises with every visible change and drives Last-Modified (changed_at); update_tag is assigned by
    the refresh worker. token_version revokes the card links. rewards_banked: {reward id: how many wait} of
    full cards that were carried on; rewards_kept: {reward id: threshold} unlocked before it was raised.
    known_stores: where a visit was accepted before (the PIN limits tell new from known cards by it).
    traits: {feature: what its rule of earning must know of this card}; read with every visit (cards/traits.py).
    """

    __tablename__ = "pass_object"
    __table_args__ = (
        merchant_fk(),
        tenant_fk("customer_id", "customer"),
        tenant_fk("store_id", "store"),
        tenant_fk("program_id", "program"),
        UniqueConstraint("merchant_id", "card_number"),
        CheckConstraint("status IN ('active', 'blocked', 'merged', 'erased')", name="status"),
        Index(None, "merchant_id", "customer_id"),
        Index(None, "merchant_id", "program_id"),
        Index(None, "merchant_id", "update_tag"),
        Index(None, "merchant_id", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    )
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    store_id: Mapped[UUID] = mapped_column(info=NONE)
    program_id: Mapped[UUID] = mapped_column(info=NONE)
    card_number: Mapped[str] = mapped_column(info=PSEUDONYM)
    google_pass_id: Mapped[str | None] = mapped_column(info=PSEUDONYM)
    apple_serial: Mapped[str | None] = mapped_column(info=PSEUDONYM)
    apple_auth_token: Mapped[str | None] = mapped_column(info=SECRET)
    stamp_count: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points_balance: Mapped[int] = mapped_column(server_default="0", info=NONE)
    reward_unlocked: Mapped[bool] = mapped_column(server_default="false", info=NONE)
    rewards_banked: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    rewards_kept: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    last_stamp_at: Mapped[datetime | None] = mapped_column(info=NONE)
    last_points_at: Mapped[datetime | None] = mapped_column(info=NONE)
    first_stamp_at: Mapped[datetime | None] = mapped_column(info=NONE)
    last_visit_at: Mapped[datetime | None] = mapped_column(info=NONE)
    visits_day: Mapped[date | None] = mapped_column(info=NONE)
    visits_today: Mapped[int] = mapped_column(server_default="0", info=NONE)
    known_stores: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", info=NONE
    )
    traits: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=PSEUDONYM)
    revision: Mapped[int] = mapped_column(server_default="1", info=NONE)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)
    update_tag: Mapped[int] = mapped_column(server_default="0", info=NONE)
    status: Mapped[str] = mapped_column(server_default="active", info=NONE)
    merged_into: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    token_version: Mapped[int] = mapped_column(server_default="1", info=NONE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class CardLink(TenantRow, Base):
    """A single-use link sent by mail that opens a card; consumed by POST, becomes the cookie."""

    __tablename__ = "card_link"
    __table_args__ = (tenant_fk("pass_id", "pass_object"), Index(None, "merchant_id", "pass_id"))
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    purpose: Mapped[str] = mapped_column(info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    merge_from: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    used_at: Mapped[datetime | None] = mapped_column(info=NONE)
