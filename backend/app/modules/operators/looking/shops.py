"""Shops and how much they use, by counts only. Names of shops are no personal data; their owners' are not read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope, tenant_scope
from app.utils.id_generator import id_floor

SHOPS_PAGE_SIZE = 25
SEARCH_LENGTH_MAX = 80
USAGE_DAYS = 30

_PAGE = """SELECT id, name, created_at, modules_on FROM merchant
WHERE (:q = '' OR strpos(lower(name), lower(:q)) > 0) AND (lower(name), id) > (:after_name, :after_id)
ORDER BY lower(name), id LIMIT :limit"""
_TOTAL = "SELECT count(*) FROM merchant"
# Each counts by the tenant's own keys, in the tenant's transaction.
_USAGE = """SELECT
    (SELECT count(*) FROM store WHERE merchant_id = :merchant_id) AS stores,
    (SELECT count(*) FROM pass_object WHERE merchant_id = :merchant_id AND status = 'active') AS cards,
    (SELECT count(*) FROM visit WHERE merchant_id = :merchant_id AND id >= :since AND voided_at IS NULL) AS visits"""


@dataclass(frozen=True)
class Shop:
    """A shop as the operator sees it. visits: of the last USAGE_DAYS days."""

    id: UUID
    name: str
    created_at: datetime
    features: int
    stores: int
    cards: int
    visits: int


@dataclass(frozen=True)
class ShopPage:
    """Some shops by name. total: of all. next_id: the last one's id where there are more."""

    shops: list[Shop]
    total: int
    next_id: UUID | None


async def list_shops(database: Database, *, q: str, after: UUID | None, now: datetime) -> ShopPage:
    """Return a page of shops with their counts; each is counted in a short transaction of its own."""
    async with system_scope(database) as session:
        total = int(await session.scalar(text(_TOTAL)) or 0)
        rows = await _page(session, q=q[:SEARCH_LENGTH_MAX].strip(), after=after)
    since = id_floor(now - timedelta(days=USAGE_DAYS))
    shops = []
    for row in rows[:SHOPS_PAGE_SIZE]:
        async with tenant_scope(database, row.id) as session:
            usage = (await session.execute(text(_USAGE), {"merchant_id": row.id, "since": since})).one()
        counts = (len(row.modules_on), usage.stores, usage.cards, usage.visits)
        shops.append(Shop(row.id, row.name, row.created_at, *counts))
    return ShopPage(shops, total, shops[-1].id if len(rows) > SHOPS_PAGE_SIZE else None)


async def _page(session: AsyncSession, *, q: str, after: UUID | None) -> list[Any]:
    after_name = ""
    if after is not None:
        found = await session.scalar(text("SELECT lower(name) FROM merchant WHERE id = :id"), {"id": after})
        after_name = found or ""
    values = {
        "q": q,
        "after_name": after_name,
        "after_id": after or UUID(int=0),
        "limit": SHOPS_PAGE_SIZE + 1,
    }
    return list((await session.execute(text(_PAGE), values)).all())


async def name_shops(session: AsyncSession, ids: set[UUID]) -> dict[UUID, str]:
    """Return the names of some shops (system scope)."""
    statement = text("SELECT id, name FROM merchant WHERE id = ANY(:ids)")
    return {row.id: row.name for row in await session.execute(statement, {"ids": list(ids)})}
