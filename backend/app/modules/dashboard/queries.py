"""Reads of the home page's feed and of the list of visits. Figures are contributed (HOME_BLOCK)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, cast, column, exists, func, select, table, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.modules.cards.models import PassObject
from app.modules.customers.models import Customer
from app.modules.dashboard.rules import Span
from app.modules.rewards.public import Redemption, Reward
from app.modules.visits.public import Visit
from app.utils.id_generator import id_floor

VISITS_SHOWN = 50
FEED_SHOWN = 10
# Ids carry the machine's time and `at` that of the clock, which the demo can move: the range is read wider.
ID_MARGIN = timedelta(days=40)

_STAFF_PIN = table(
    "staff_pin", column("merchant_id", Uuid), column("store_id", Uuid), column("staff_id", Uuid)
)
_STORE = table("store", column("merchant_id", Uuid), column("staff_pin_hash", Integer))
_PROGRAM = table("program", column("merchant_id", Uuid), column("design_version", Integer))


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done of the first steps."""

    has_pin: bool
    has_design: bool
    has_card: bool
    has_visit: bool


async def first_steps(session: AsyncSession, merchant_id: UUID) -> Progress:
    """Return how far the merchant has come; each is a look at one row."""
    staff_pin = exists().where(_STAFF_PIN.c.merchant_id == merchant_id)
    shared_pin = exists().where(_STORE.c.merchant_id == merchant_id, _STORE.c.staff_pin_hash.is_not(None))
    look = exists().where(_PROGRAM.c.merchant_id == merchant_id, _PROGRAM.c.design_version > 1)
    card = exists().where(PassObject.merchant_id == merchant_id)
    visit = exists().where(Visit.merchant_id == merchant_id)
    row = (await session.execute(select(staff_pin | shared_pin, look, card, visit))).one()
    return Progress(*row)


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A visit in a list, with the names of its people."""

    id: UUID
    store_id: UUID
    at: datetime
    pass_id: UUID
    customer_id: UUID
    customer_name: str | None
    given_by: str
    staff_id: UUID | None
    source: str
    stamps: int
    points: int
    amount_minor: int | None
    currency: str
    voided_at: datetime | None
    void_reason: str | None


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits are wanted. before: the id after which an earlier page ended."""

    store_id: UUID | None = None
    staff_id: UUID | None = None
    day: Span | None = None
    before: UUID | None = None


def _reach(session: AsyncSession, store_id: Any) -> list[Any]:
    """Return the condition that keeps a member who is limited to some stores within them; none for others."""
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    return [store_id.in_(limited_to)] if limited_to else []


def _newest(session: AsyncSession, kind: Any, conditions: Sequence[Any], *, limit: int) -> Any:
    """Return the newest rows of a kind as something to select from: so many are read, however many there are.

    The limit is inside and names are joined afterwards: a row without its like would be looked for to the end.
    A member who is limited to some stores gets the newest of each by its own index, and the newest of these.
    """
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    rows = select(kind).where(*conditions).order_by(kind.id.desc()).limit(limit)
    if not limited_to:
        return aliased(kind, rows.subquery("newest"))
    stores = (
        func.unnest(cast(sorted(limited_to), ARRAY(Uuid))).table_valued("id", name="stores").render_derived()
    )
    of_each = rows.where(kind.store_id == stores.c.id).lateral("of_each")
    together = select(of_each).select_from(stores).join(of_each, true()).order_by(of_each.c.id.desc())
    return aliased(kind, together.limit(limit).subquery("newest"), adapt_on_names=True)


def _visit_rows(visit: Any) -> Any:
    return (
        select(
            visit.id,
            visit.store_id,
            visit.at,
            visit.pass_id,
            PassObject.customer_id,
            Customer.name.label("customer_name"),
            visit.given_by,
            visit.staff_id,
            visit.source,
            visit.stamps,
            visit.points,
            visit.amount_minor,
            visit.currency,
            visit.voided_at,
            visit.void_reason,
        )
        .join(PassObject, (PassObject.merchant_id == visit.merchant_id) & (PassObject.id == visit.pass_id))
        .join(
            Customer,
            (Customer.merchant_id == PassObject.merchant_id) & (Customer.id == PassObject.customer_id),
        )
    )


def visits_statement(session: AsyncSession, merchant_id: UUID, wanted: VisitFilter, *, limit: int) -> Any:
    """Return the statement of a list of visits."""
    conditions = [Visit.merchant_id == merchant_id]
    if wanted.store_id is not None:
        conditions.append(Visit.store_id == wanted.store_id)
    if wanted.staff_id is not None:
        conditions.append(Visit.staff_id == wanted.staff_id)
    if wanted.before is not None:
        conditions.append(Visit.id < wanted.before)
    if wanted.day is not None:
        conditions += [
            Visit.id >= id_floor(wanted.day.start - ID_MARGIN),
            Visit.at >= wanted.day.start,
            Visit.at < wanted.day.end,
        ]
    newest = _newest(session, Visit, conditions, limit=limit)
    return _visit_rows(newest).order_by(newest.id.desc())


async def list_visits(
    session: AsyncSession, merchant_id: UUID, wanted: VisitFilter, *, limit: int = VISITS_SHOWN
) -> list[VisitRow]:
    """Return visits, newest first, by their ids."""
    rows = await session.execute(visits_statement(session, merchant_id, wanted, limit=limit))
    return [VisitRow(*row) for row in rows]


async def find_visit(session: AsyncSession, merchant_id: UUID, visit_id: UUID) -> VisitRow | None:
    """Return one visit of the merchant within the member's reach, or None."""
    own = (Visit.merchant_id == merchant_id, Visit.id == visit_id, *_reach(session, Visit.store_id))
    row = (await session.execute(_visit_rows(Visit).where(*own))).one_or_none()
    return VisitRow(*row) if row else None


@dataclass(frozen=True, slots=True)
class RedemptionRow:
    """A redemption in the feed."""

    id: UUID
    store_id: UUID
    at: datetime
    customer_name: str | None
    given_by: str
    staff_id: UUID | None
    title: str
    voided_at: datetime | None


def redemptions_statement(session: AsyncSession, merchant_id: UUID, *, limit: int) -> Any:
    """Return the statement of the newest redemptions."""
    given = _newest(session, Redemption, [Redemption.merchant_id == merchant_id], limit=limit)
    return (
        select(
            given.id,
            given.store_id,
            given.redeemed_at,
            Customer.name,
            given.given_by,
            given.staff_id,
            Reward.title,
            given.voided_at,
        )
        .join(Reward, (Reward.merchant_id == given.merchant_id) & (Reward.id == given.reward_id))
        .join(PassObject, (PassObject.merchant_id == given.merchant_id) & (PassObject.id == given.pass_id))
        .join(
            Customer,
            (Customer.merchant_id == PassObject.merchant_id) & (Customer.id == PassObject.customer_id),
        )
        .order_by(given.id.desc())
    )


async def list_redemptions(
    session: AsyncSession, merchant_id: UUID, *, limit: int = FEED_SHOWN
) -> list[RedemptionRow]:
    """Return the newest redemptions."""
    rows = await session.execute(redemptions_statement(session, merchant_id, limit=limit))
    return [RedemptionRow(*row) for row in rows]


async def list_givers(session: AsyncSession, merchant_id: UUID) -> list[UUID]:
    """Return the staff members who hold a PIN in a store within the member's reach, for the filter."""
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    rows = await session.execute(
        select(_STAFF_PIN.c.staff_id)
        .where(
            _STAFF_PIN.c.merchant_id == merchant_id,
            *([_STAFF_PIN.c.store_id.in_(limited_to)] if limited_to else []),
        )
        .distinct()
        .limit(200)
    )
    return [row.staff_id for row in rows]
