"""The list of customers: a page of it by a key, in three orders, with cards and tags."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.public import AudienceFilter, TagView, audience_sql, list_tags_of

PAGE_SIZE = 50
CURSOR_LENGTH_MAX = 600
# Enough for a page of which some are erased or filtered out.
HITS_AT_ONCE = 2 * PAGE_SIZE


@dataclass(frozen=True, slots=True)
class PersonCard:
    """A card as the dashboard shows it."""

    id: UUID
    customer_id: UUID
    store_id: UUID
    program_id: UUID
    card_number: str
    status: str
    loyalty_type: str
    program_name: str
    stamp_count: int
    stamps_needed: int
    points_balance: int
    reward_unlocked: bool
    last_visit_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A customer in the list."""

    id: UUID
    name: str | None
    email: str | None
    phone: str | None
    email_consent: bool
    last_visit_at: datetime | None
    cards: Sequence[PersonCard]
    tags: Sequence[TagView]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of the list. next: the key that the following page begins behind, where there is one."""

    people: Sequence[PersonRow]
    next: str | None


_LAST = (
    "(SELECT max(card.last_visit_at) FROM pass_object card WHERE card.merchant_id = customer.merchant_id"
    " AND card.customer_id = customer.id AND card.status IN ('active', 'blocked'))"
)
_COLUMNS = (
    "customer.id, customer.name, customer.email, customer.phone, customer.email_consent, customer.sort_name"
)
# Each order with the condition that a page goes on behind. Those who never came are the last of the last.
ORDERS = {
    "newest": ("customer.id DESC", "customer.id < CAST(:after_id AS uuid)"),
    "name": (
        "customer.sort_name, customer.id",
        "(customer.sort_name, customer.id) > (CAST(:after_key AS text), CAST(:after_id AS uuid))",
    ),
    "visit": (
        "coalesce(seen.last_visit_at, '-infinity') DESC, customer.id DESC",
        "(coalesce(seen.last_visit_at, '-infinity'), customer.id)"
        " < (CAST(CAST(:after_key AS text) AS timestamptz), CAST(:after_id AS uuid))",
    ),
}


def write_cursor(key: str, customer_id: UUID) -> str:
    """Return the key of a row as it stands in an address."""
    return base64.urlsafe_b64encode(json.dumps([key, str(customer_id)]).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[str, UUID] | None:
    """Return what a cursor says; None for what never was one."""
    try:
        padded = cursor[:CURSOR_LENGTH_MAX] + "=" * (-len(cursor) % 4)
        key, customer_id = json.loads(base64.urlsafe_b64decode(padded))
        return str(key), UUID(customer_id)
    except (ValueError, TypeError):
        return None


async def list_people(
    session: AsyncSession,
    merchant_id: UUID,
    chosen: AudienceFilter,
    *,
    order: str,
    after: str,
    now: datetime,
) -> PeoplePage:
    """Return a page of the customers who are meant."""
    where, values = await audience_sql(session, merchant_id, chosen, now=now)
    sorting, behind = ORDERS[order]
    cursor = _checked(order, read_cursor(after) if after else None)
    if cursor is not None:
        where += f" AND {behind}"
        values = {**values, "after_id": cursor[1]} | ({"after_key": cursor[0]} if order != "newest" else {})
    # Names of columns and conditions are constants; what people typed are parameters.
    statement = text(
        f"SELECT {_COLUMNS}, seen.last_visit_at FROM customer,"  # noqa: S608
        f" LATERAL (SELECT {_LAST} AS last_visit_at) AS seen"
        f" WHERE {where} ORDER BY {sorting} LIMIT :most"
    )
    rows: list[Any] = []
    for part in _parts(values, order, cursor):
        found = await session.execute(statement, {**part, "most": PAGE_SIZE + 1 - len(rows)})
        rows += found.all()
        if len(rows) > PAGE_SIZE:
            break
    shown = rows[:PAGE_SIZE]
    ids = [row.id for row in shown]
    cards = await list_person_cards(session, merchant_id, ids)
    tags = await list_tags_of(session, merchant_id, ids)
    people = [
        PersonRow(
            id=row.id,
            name=row.name,
            email=row.email,
            phone=row.phone,
            email_consent=row.email_consent,
            last_visit_at=row.last_visit_at,
            cards=[card for card in cards if card.customer_id == row.id],
            tags=tags.get(row.id, []),
        )
        for row in shown
    ]
    return PeoplePage(people, _next(order, shown[-1]) if len(rows) > PAGE_SIZE else None)


def _parts(
    values: Mapping[str, Any], order: str, cursor: tuple[str, UUID] | None
) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters of one statement after the other until the page is full.

    The order of joining is that of the ids: of a search with many hits the newest are looked at first, and mostly
    these fill the page. In another order all hits are looked at together, as everything is without a search.
    """
    hits: list[UUID] | None = values.get("hits")
    if hits is None or order != "newest":
        yield values
        return
    newest = sorted((hit for hit in hits if cursor is None or hit < cursor[1]), reverse=True)
    for first in range(0, len(newest), HITS_AT_ONCE):
        yield {**values, "hits": newest[first : first + HITS_AT_ONCE]}


def _checked(order: str, cursor: tuple[str, UUID] | None) -> tuple[str, UUID] | None:
    """Drop a cursor that the database could not read: somebody wrote it by hand."""
    if cursor is None or "\x00" in cursor[0]:
        return None
    if order == "visit" and cursor[0] != "-infinity":
        try:
            datetime.fromisoformat(cursor[0])
        except ValueError:
            return None
    return cursor


def _next(order: str, row: Any) -> str:
    if order == "name":
        return write_cursor(row.sort_name, row.id)
    if order == "visit":
        return write_cursor(row.last_visit_at.isoformat() if row.last_visit_at else "-infinity", row.id)
    return write_cursor("", row.id)


_CARDS = """SELECT card.id, card.customer_id, card.store_id, card.program_id, card.card_number, card.status,
  program.loyalty_type, program.name AS program_name, card.stamp_count, program.stamps_needed, card.points_balance,
  card.reward_unlocked, card.last_visit_at, card.created_at
FROM pass_object card
JOIN program ON program.merchant_id = card.merchant_id AND program.id = card.program_id
WHERE card.merchant_id = :merchant_id AND card.customer_id = ANY(:ids) AND card.status IN ('active', 'blocked')
ORDER BY card.id DESC"""


async def list_person_cards(
    session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]
) -> list[PersonCard]:
    """Return the usable cards of these customers, the newest first."""
    found = await session.execute(text(_CARDS), {"merchant_id": merchant_id, "ids": list(ids)})
    return [PersonCard(**row) for row in found.mappings()]
