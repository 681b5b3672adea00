"""What was given for whose birthday. The unique key is what makes it once a person and year."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, Base, TenantRow, tenant_fk


class BirthdayGift(TenantRow, Base):
    """A gift for the celebration of one year. pass_id: the card it was put on.

    amount: points, or the stamps that fitted. good_until: the last day of a reward, by the clock of the card's store.
    factor: how often purchases count, to factor_until by the same clock; that day is forgotten once it is over.
    told_at: when the customer was written to, or it was found that they are not to be. outcome: what became of a
    reward, once that is certain.
    """

    __tablename__ = "birthday_gift"
    __table_args__ = (
        tenant_fk("customer_id", "customer"),
        tenant_fk("pass_id", "pass_object"),
        UniqueConstraint("merchant_id", "customer_id", "year"),
        CheckConstraint("kind IN ('points', 'stamps', 'reward', 'factor')", name="kind"),
        CheckConstraint("outcome IN ('redeemed', 'lapsed')", name="outcome"),
        Index(None, "merchant_id", "pass_id"),
        Index(None, "merchant_id", "given_at"),
        Index(
            None, "merchant_id", "good_until", postgresql_where=text("kind = 'reward' AND outcome IS NULL")
        ),
        Index(None, "merchant_id", "factor_until", postgresql_where=text("factor_until IS NOT NULL")),
    )
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    pass_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    year: Mapped[int] = mapped_column(info=NONE)
    celebrated_on: Mapped[date | None] = mapped_column(info=PERSONAL)
    good_until: Mapped[date | None] = mapped_column(info=PERSONAL)
    kind: Mapped[str] = mapped_column(info=NONE)
    amount: Mapped[int] = mapped_column(server_default="0", info=NONE)
    reward_id: Mapped[UUID | None] = mapped_column(info=NONE)
    title: Mapped[str] = mapped_column(server_default="", info=NONE)
    factor: Mapped[Decimal | None] = mapped_column(Numeric(4, 2), info=NONE)
    factor_until: Mapped[date | None] = mapped_column(info=PERSONAL)
    given_at: Mapped[datetime] = mapped_column(info=NONE)
    told_at: Mapped[datetime | None] = mapped_column(info=NONE)
    outcome: Mapped[str | None] = mapped_column(info=NONE)
    ended_at: Mapped[datetime | None] = mapped_column(info=NONE)
