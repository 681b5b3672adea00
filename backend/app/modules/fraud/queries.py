"""Reads behind the rules and the page: visits by time, by card, by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import SeenVisit
from app.modules.cards.public import PassObject
from app.modules.fraud.models import FraudFinding, FraudOwnCard, FraudScan
from app.modules.visits.public import Visit
from app.utils.id_generator import id_floor

# Ids carry the machine's time; a demo's or a test's clock may be weeks away from it.
ID_MARGIN = timedelta(days=40)
VISITS_READ_MAX = 20_000
FINDINGS_SHOWN = 20


def _seen() -> Any:
    return select(Visit.id, Visit.at, Visit.store_id, Visit.pass_id, Visit.staff_id, Visit.given_by)


async def list_recent(session: AsyncSession, merchant_id: UUID, *, since: datetime) -> list[SeenVisit]:
    """Return the visits after a moment that were not undone, newest first and no more than can be looked at."""
    rows = await session.execute(recent(merchant_id, since=since))
    return [SeenVisit(*row) for row in rows]


def recent(merchant_id: UUID, *, since: datetime) -> Any:
    """Return the statement of list_recent; by moment, so that it reads what is new and not a month of ids."""
    return (
        _seen()
        .where(
            Visit.merchant_id == merchant_id,
            Visit.id >= id_floor(since - ID_MARGIN),
            Visit.at > since,
            Visit.voided_at.is_(None),
        )
        .order_by(Visit.at.desc(), Visit.id.desc())
        .limit(VISITS_READ_MAX)
    )


async def list_of_cards(
    session: AsyncSession, merchant_id: UUID, cards: Iterable[UUID], *, since: datetime
) -> list[SeenVisit]:
    """Return the visits of these cards after a moment that were not undone."""
    rows = await session.execute(
        _seen()
        .where(
            Visit.merchant_id == merchant_id,
            Visit.pass_id.in_(set(cards)),
            Visit.id >= id_floor(since - ID_MARGIN),
            Visit.at > since,
            Visit.voided_at.is_(None),
        )
        .order_by(Visit.id.desc())
        .limit(VISITS_READ_MAX)
    )
    return [SeenVisit(*row) for row in rows]


async def find_owners(
    session: AsyncSession, merchant_id: UUID, cards: Iterable[UUID]
) -> set[tuple[UUID, UUID]]:
    """Return (staff, card) for those of the cards that are known to be a staff member's own."""
    rows = await session.execute(
        select(FraudOwnCard.staff_id, FraudOwnCard.pass_id).where(
            FraudOwnCard.merchant_id == merchant_id, FraudOwnCard.pass_id.in_(set(cards))
        )
    )
    return {(row.staff_id, row.pass_id) for row in rows}


@dataclass(frozen=True, slots=True)
class OwnCard:
    """A card linked to a staff member."""

    staff_id: UUID
    pass_id: UUID
    card_number: str


async def list_own_cards(session: AsyncSession, merchant_id: UUID) -> list[OwnCard]:
    """Return whose card is whose."""
    rows = await session.execute(
        select(FraudOwnCard.staff_id, FraudOwnCard.pass_id, PassObject.card_number)
        .join(
            PassObject,
            (PassObject.merchant_id == FraudOwnCard.merchant_id) & (PassObject.id == FraudOwnCard.pass_id),
        )
        .where(FraudOwnCard.merchant_id == merchant_id)
        .order_by(FraudOwnCard.created_at)
    )
    return [OwnCard(*row) for row in rows]


async def list_card_ids(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[UUID]:
    """Return all cards a customer ever had, ended ones included."""
    rows = await session.scalars(
        select(PassObject.id).where(
            PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
        )
    )
    return list(rows)


async def find_last_scan(session: AsyncSession, merchant_id: UUID) -> datetime | None:
    """Return when the merchant's visits were looked at last."""
    moment: datetime | None = await session.scalar(
        select(FraudScan.scanned_at).where(FraudScan.merchant_id == merchant_id)
    )
    return moment


def in_reach(session: AsyncSession) -> list[Any]:
    """Return the condition that leaves out stores which the signed-in member is not limited to."""
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    return [FraudFinding.store_id.in_(limited_to)] if limited_to else []


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are wanted. before: (last_at, id) of the last one on the page before."""

    status: str = "open"
    rule: str | None = None
    store_id: UUID | None = None
    staff_id: UUID | None = None
    before: UUID | None = None


async def list_findings(
    session: AsyncSession, merchant_id: UUID, wanted: FindingFilter, *, limit: int = FINDINGS_SHOWN
) -> list[FraudFinding]:
    """Return findings, the newest events first."""
    conditions: list[Any] = [FraudFinding.merchant_id == merchant_id, *in_reach(session)]
    if wanted.status != "all":
        conditions.append(FraudFinding.status == wanted.status)
    for column, value in (
        (FraudFinding.rule, wanted.rule),
        (FraudFinding.store_id, wanted.store_id),
        (FraudFinding.staff_id, wanted.staff_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.before is not None:
        last = select(FraudFinding.last_at, FraudFinding.id).where(
            FraudFinding.merchant_id == merchant_id, FraudFinding.id == wanted.before
        )
        row = (await session.execute(last)).one_or_none()
        if row is not None:
            conditions.append(func.row(FraudFinding.last_at, FraudFinding.id) < func.row(row.last_at, row.id))
    rows = await session.scalars(
        select(FraudFinding)
        .where(*conditions)
        .order_by(FraudFinding.last_at.desc(), FraudFinding.id.desc())
        .limit(limit)
    )
    return list(rows)


async def has_news(session: AsyncSession, merchant_id: UUID, *, since: datetime) -> bool:
    """Tell whether a finding became worth a look after a moment."""
    found = await session.scalar(
        select(FraudFinding.id)
        .where(
            FraudFinding.merchant_id == merchant_id,
            FraudFinding.status == "open",
            FraudFinding.found_at > since,
            *in_reach(session),
        )
        .limit(1)
    )
    return found is not None


async def count_by_status(session: AsyncSession, merchant_id: UUID) -> dict[str, int]:
    """Count the findings of each status."""
    rows = await session.execute(
        select(FraudFinding.status, func.count())
        .where(FraudFinding.merchant_id == merchant_id, *in_reach(session))
        .group_by(FraudFinding.status)
    )
    return {status: count for status, count in rows}


@dataclass(frozen=True, slots=True)
class EventRow:
    """A visit behind a finding, with its card."""

    id: UUID
    at: datetime
    store_id: UUID
    pass_id: UUID
    card_number: str
    customer_id: UUID
    staff_id: UUID | None
    given_by: str
    source: str
    stamps: int
    points: int
    voided_at: datetime | None


async def list_events(session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, EventRow]:
    """Return these visits by id, of the stores within the signed-in member's reach."""
    if not ids:
        return {}
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    rows = await session.execute(
        select(
            Visit.id,
            Visit.at,
            Visit.store_id,
            Visit.pass_id,
            PassObject.card_number,
            PassObject.customer_id,
            Visit.staff_id,
            Visit.given_by,
            Visit.source,
            Visit.stamps,
            Visit.points,
            Visit.voided_at,
        )
        .join(PassObject, (PassObject.merchant_id == Visit.merchant_id) & (PassObject.id == Visit.pass_id))
        .where(
            Visit.merchant_id == merchant_id,
            Visit.id.in_(ids),
            *([Visit.store_id.in_(limited_to)] if limited_to else []),
        )
    )
    return {row.id: EventRow(**row._mapping) for row in rows}
