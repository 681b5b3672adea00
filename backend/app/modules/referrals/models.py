"""The personal link of a card, and who came by which."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, SECRET, Base, TenantRow, tenant_fk


class ReferralLink(Base):
    """The link of a card. invited: how many browsers took the invitation up."""

    __tablename__ = "referral_link"
    __table_args__ = (
        tenant_fk("pass_id", "pass_object"),
        UniqueConstraint("merchant_id", "code"),
    )
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    code: Mapped[str] = mapped_column(info=SECRET)
    invited: Mapped[int] = mapped_column(server_default="0", info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)


class Referral(TenantRow, Base):
    """A friend who joined by a link: at most one a person and merchant, by the unique key.

    status: joined (buys something yet), review (held for the shop), due (decided, a gift still waits for room), given,
    declined, ended (the friend's card is gone). promise, visits_needed: as they were told when the friend joined.
    reasons: why it is held. attempt: rises when the visit was undone, so that the gifts can be given anew.
    inviter_outcome, friend_outcome: empty, given, limit, left (the card cannot hold it), nothing, gone.
    """

    __tablename__ = "referral"
    __table_args__ = (
        tenant_fk("inviter_pass_id", "pass_object"),
        tenant_fk("friend_pass_id", "pass_object"),
        UniqueConstraint("merchant_id", "friend_id"),
        CheckConstraint("inviter_pass_id <> friend_pass_id", name="two"),
        CheckConstraint("status IN ('joined', 'review', 'due', 'given', 'declined', 'ended')", name="status"),
        Index(None, "merchant_id", "inviter_pass_id", "id"),
        Index(None, "merchant_id", "friend_pass_id"),
        Index(None, "merchant_id", "status", "id"),
        Index(None, "merchant_id", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )
    inviter_pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    friend_pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    friend_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    status: Mapped[str] = mapped_column(server_default="joined", info=NONE)
    promise: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", info=NONE)
    visits_needed: Mapped[int] = mapped_column(server_default="1", info=NONE)
    reasons: Mapped[list[str]] = mapped_column(JSONB, server_default="[]", info=PSEUDONYM)
    visit_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    attempt: Mapped[int] = mapped_column(server_default="1", info=NONE)
    inviter_outcome: Mapped[str] = mapped_column(server_default="", info=NONE)
    friend_outcome: Mapped[str] = mapped_column(server_default="", info=NONE)
    joined_at: Mapped[datetime] = mapped_column(info=NONE)
    look_at: Mapped[datetime | None] = mapped_column(info=NONE)
    approved_at: Mapped[datetime | None] = mapped_column(info=NONE)
    decided_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    given_at: Mapped[datetime | None] = mapped_column(info=NONE)
