"""Finding customers by what they told: the rows that searches read, and the one search there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.models import Customer, CustomerSearch
from app.modules.customers.rules import after_prefix, query_terms, search_terms, sort_name
from app.utils.id_generator import parse_card_number

# More are never looked at: who finds so many types another letter.
HITS_MAX = 1_000

# Each branch is a range of the key, and ends by itself; the number of a card is a unique key.
HITS_SQL = """SELECT customer_id FROM (
  SELECT customer_id FROM customer_search
  WHERE merchant_id = :merchant_id AND kind = :kind AND term >= :low AND term < :high
  ORDER BY kind, term LIMIT :most) AS hit"""
NUMBER_SQL = "SELECT customer_id FROM pass_object WHERE merchant_id = :merchant_id AND card_number = :number"


def search_rows(
    merchant_id: UUID, customer_id: UUID, *, name: str | None, email: str | None, phone: str | None
) -> list[dict[str, Any]]:
    """Return the rows by which a customer is found."""
    return [
        {"merchant_id": merchant_id, "kind": kind, "term": term, "customer_id": customer_id}
        for kind, term in sorted(search_terms(name, email, phone))
    ]


def hit_statements(merchant_id: UUID, typed: str) -> list[tuple[str, Mapping[str, object]]]:
    """Return the statements of a search, each with its parameters."""
    found: list[tuple[str, Mapping[str, object]]] = [
        (
            HITS_SQL,
            {
                "merchant_id": merchant_id,
                "kind": kind,
                "low": term,
                "high": after_prefix(term),
                "most": HITS_MAX,
            },
        )
        for kind, term in query_terms(typed)
    ]
    number = parse_card_number(typed)
    if number is not None:
        found.append((NUMBER_SQL, {"merchant_id": merchant_id, "number": number}))
    return found


async def find_hits(session: AsyncSession, merchant_id: UUID, typed: str) -> list[UUID]:
    """Return the customers that a typed text may mean: by name, e-mail, phone or card number; at most HITS_MAX."""
    hits: dict[UUID, None] = {}
    for statement, values in hit_statements(merchant_id, typed):
        hits |= dict.fromkeys((await session.execute(text(statement), values)).scalars())
    return list(hits)[:HITS_MAX]


async def index_customers(session: AsyncSession, customers: Sequence[Customer], *, fresh: bool) -> None:
    """Write the rows by which customers are found, after their details changed. fresh: they have none yet."""
    rows = []
    for customer in customers:
        customer.sort_name = sort_name(customer.name)
        rows += search_rows(
            customer.merchant_id,
            customer.id,
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
        )
    if not fresh:
        await forget_search(session, customers[0].merchant_id, [customer.id for customer in customers])
    if rows:
        await session.execute(insert(CustomerSearch), rows)


async def forget_search(session: AsyncSession, merchant_id: UUID, ids: Iterable[UUID]) -> None:
    """Let customers be found no more."""
    await session.execute(
        delete(CustomerSearch)
        .where(CustomerSearch.merchant_id == merchant_id, CustomerSearch.customer_id.in_(list(ids)))
        .execution_options(synchronize_session=False)
    )
