"""The roll-ups. `build` tells apart the one that pages read from the one that is being counted anew."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, SmallInteger, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.db.base import NONE, PSEUDONYM, Base, merchant_fk

# Cells are added to over and over: with room in its page a row is changed in place, and the table does not swell.
OFTEN_CHANGED = {"postgresql_with": {"fillfactor": 50}}


class RollupPending(Base):
    """A card whose change is still to be counted; left after the change was committed, taken by the worker."""

    __tablename__ = "rollup_pending"
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class RollupState(Base):
    """A counting of a merchant's roll-ups. cursor: the last customer counted, while it is not complete.

    basis: what the counting rests on (time zones, currency); when that changes, everything is counted anew.
    """

    __tablename__ = "rollup_state"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    build: Mapped[int] = mapped_column(primary_key=True, info=NONE)
    live: Mapped[bool] = mapped_column(server_default="false", info=NONE)
    complete: Mapped[bool] = mapped_column(server_default="false", info=NONE)
    cursor: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    basis: Mapped[str] = mapped_column(info=NONE)
    started_at: Mapped[datetime] = mapped_column(info=NONE)
    finished_at: Mapped[datetime | None] = mapped_column(info=NONE)


class Counted:
    """The key that every roll-up begins with."""

    __tenant__ = "merchant_id"

    @declared_attr
    def merchant_id(cls) -> Mapped[UUID]:
        """Return the tenant column; it leads every key."""
        return mapped_column(primary_key=True, info=NONE, sort_order=-2)

    @declared_attr
    def build(cls) -> Mapped[int]:
        """Return the counting that the row belongs to."""
        return mapped_column(primary_key=True, info=NONE, sort_order=-1)


class Measures:
    """What is added up in every cell. Nothing that was taken back is in it."""

    visits: Mapped[int] = mapped_column(server_default="0", info=NONE)
    first_visits: Mapped[int] = mapped_column(server_default="0", info=NONE)
    purchases: Mapped[int] = mapped_column(server_default="0", info=NONE)
    amount_minor: Mapped[int] = mapped_column(server_default="0", info=NONE)
    stamps: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points: Mapped[int] = mapped_column(server_default="0", info=NONE)
    redemptions: Mapped[int] = mapped_column(server_default="0", info=NONE)
    stamps_spent: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points_spent: Mapped[int] = mapped_column(server_default="0", info=NONE)
    new_cards: Mapped[int] = mapped_column(server_default="0", info=NONE)


class RollupDay(Counted, Measures, Base):
    """A day of a store, by the store's own calendar, for each giver. staff_id is zero where nobody is named."""

    __tablename__ = "rollup_day"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    day: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    store_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    staff_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    given_by: Mapped[str] = mapped_column(primary_key=True, info=NONE)


class RollupStore(Counted, Measures, Base):
    """A day of a store: the sum of its givers, so that a year is a few hundred rows and not tens of thousands."""

    __tablename__ = "rollup_store"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    day: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    store_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)


class RollupHour(Counted, Measures, Base):
    """An hour of a day of a store, by the clock on its wall."""

    __tablename__ = "rollup_hour"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    day: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True, info=NONE)
    store_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)


class RollupCard(Counted, Base):
    """How far a card is counted, so that the next change adds only what is new and takes off what was voided.

    customer_id: of the card that this one is today (itself, or the one it was joined to). voided_*: those up to
    seen_* that are not counted, because they were taken back.
    """

    __tablename__ = "rollup_card"
    __table_args__ = (merchant_fk(), Index(None, "merchant_id", "build", "customer_id"))
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    customer_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    program_id: Mapped[UUID] = mapped_column(info=NONE)
    seen_visit: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    voided_visits: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid(as_uuid=True)), info=PSEUDONYM)
    seen_redemption: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    voided_redemptions: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid(as_uuid=True)), info=PSEUDONYM)
    joined: Mapped[bool] = mapped_column(info=NONE)
    held: Mapped[int] = mapped_column(info=NONE)
    stamps: Mapped[int] = mapped_column(info=NONE)
    points: Mapped[int] = mapped_column(info=NONE)
    ready: Mapped[int] = mapped_column(info=NONE)


class RollupCustomer(Counted, Base):
    """A customer over all their cards. later_*: on days after the first, what the expected value is fitted to."""

    __tablename__ = "rollup_customer"
    __table_args__ = (merchant_fk(),)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    first_at: Mapped[datetime | None] = mapped_column(info=PSEUDONYM)
    last_at: Mapped[datetime | None] = mapped_column(info=PSEUDONYM)
    first_day: Mapped[date | None] = mapped_column(info=PSEUDONYM)
    last_day: Mapped[date | None] = mapped_column(info=PSEUDONYM)
    visits: Mapped[int] = mapped_column(info=PSEUDONYM)
    visit_days: Mapped[int] = mapped_column(info=PSEUDONYM)
    purchases: Mapped[int] = mapped_column(info=PSEUDONYM)
    amount_minor: Mapped[int] = mapped_column(info=PSEUDONYM)
    later_paid_days: Mapped[int] = mapped_column(info=PSEUDONYM)
    later_amount_minor: Mapped[int] = mapped_column(info=PSEUDONYM)
    stamps: Mapped[int] = mapped_column(info=PSEUDONYM)
    points: Mapped[int] = mapped_column(info=PSEUDONYM)
    redemptions: Mapped[int] = mapped_column(info=PSEUDONYM)


class RollupPeople(Counted, Base):
    """How many customers were last there on a day after so many visits; the segments are read from it."""

    __tablename__ = "rollup_people"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    last_day: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    visits: Mapped[int] = mapped_column(SmallInteger, primary_key=True, info=NONE)
    customers: Mapped[int] = mapped_column(server_default="0", info=NONE)
    all_visits: Mapped[int] = mapped_column(server_default="0", info=NONE)
    amount_minor: Mapped[int] = mapped_column(server_default="0", info=NONE)
    span_days: Mapped[int] = mapped_column(server_default="0", info=NONE)
    redeemers: Mapped[int] = mapped_column(server_default="0", info=NONE)


class RollupCohort(Counted, Base):
    """Customers whose first visit was in the month `cohort`, in a month in which they were there."""

    __tablename__ = "rollup_cohort"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    cohort: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    month: Mapped[date] = mapped_column(primary_key=True, info=NONE)
    customers: Mapped[int] = mapped_column(server_default="0", info=NONE)
    visits: Mapped[int] = mapped_column(server_default="0", info=NONE)
    amount_minor: Mapped[int] = mapped_column(server_default="0", info=NONE)


class RollupBalance(Counted, Base):
    """What the cards of a programme hold now. ready: cards on which a reward waits."""

    __tablename__ = "rollup_balance"
    __table_args__ = (merchant_fk(), OFTEN_CHANGED)
    program_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    cards: Mapped[int] = mapped_column(server_default="0", info=NONE)
    stamps: Mapped[int] = mapped_column(server_default="0", info=NONE)
    points: Mapped[int] = mapped_column(server_default="0", info=NONE)
    ready: Mapped[int] = mapped_column(server_default="0", info=NONE)


class CustomerValue(Base):
    """The last fit of what customers are worth: parameters, expectation and interval, or why there is none."""

    __tablename__ = "customer_value"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    fitted_at: Mapped[datetime] = mapped_column(info=NONE)
    result: Mapped[dict[str, Any]] = mapped_column(info=NONE)
