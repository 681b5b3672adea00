"""Which customers are meant: one definition for the list in the dashboard, for bulk changes and for messages.

The conditions are SQL, because they look at cards, visits and wallets, which stand above this module; they read ids,
states and times only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.search import find_hits

# A customer is new for a month, and has gone quiet after three without a visit, as the figures say it, too.
NEW_FOR = timedelta(days=30)
QUIET_AFTER = timedelta(days=90)
BATCH = 1_000
COUNTED_MAX = 10_000

CONSENTS = ("yes", "no")
WALLETS = ("apple", "google", "none")
ACTIVITIES = ("new", "back", "quiet", "never")


@dataclass(frozen=True, slots=True)
class AudienceFilter:
    """What customers have in common; every condition given must hold.

    text: as typed into a search. store_id: joined or visited there. consent: to e-mails. wallet: where a card lives.
    activity: new (joined within 30 days), back (2 visits or more), quiet (came, but not for 90 days), never.
    birthday_month: 1 to 12. reward: one waits. visits_min, visits_max: visits that were not undone, over all cards.
    within: the stores that the asking member is limited to; empty: all.
    """

    text: str = ""
    store_id: UUID | None = None
    consent: str | None = None
    wallet: str | None = None
    activity: str | None = None
    birthday_month: int | None = None
    tag_id: UUID | None = None
    reward: bool = False
    blocked: bool = False
    visits_min: int | None = None
    visits_max: int | None = None
    within: frozenset[UUID] = field(default_factory=frozenset)


_CARD = (
    "EXISTS (SELECT 1 FROM pass_object card WHERE card.merchant_id = customer.merchant_id"
    " AND card.customer_id = customer.id AND card.status IN ('active', 'blocked') AND {})"
)
_VISITS = (
    "(SELECT count(*) FROM (SELECT 1 FROM pass_object card JOIN visit ON visit.merchant_id = card.merchant_id"
    " AND visit.pass_id = card.id WHERE card.merchant_id = customer.merchant_id"
    " AND card.customer_id = customer.id AND visit.voided_at IS NULL LIMIT {}) AS seen)"
)
_IN_APPLE = _CARD.format(
    "EXISTS (SELECT 1 FROM apple_device_registration device WHERE device.merchant_id = card.merchant_id"
    " AND device.pass_serial = card.apple_serial)"
)
_IN_GOOGLE = _CARD.format(
    "EXISTS (SELECT 1 FROM google_object saved WHERE saved.merchant_id = card.merchant_id"
    " AND saved.pass_id = card.id AND saved.saves > saved.deletions)"
)
_WALLET = {
    "apple": _IN_APPLE,
    "google": _IN_GOOGLE,
    "none": f"NOT {_IN_APPLE} AND NOT {_IN_GOOGLE}",
}
_VISITED = _CARD.format("card.last_visit_at IS NOT NULL")
_ACTIVITY = {
    "new": "customer.created_at > :new_since",
    "back": f"{_VISITS.format(2)} >= 2",
    "quiet": f"{_VISITED} AND NOT {_CARD.format('card.last_visit_at > :quiet_since')}",
    "never": f"NOT {_VISITED}",
}
_AT_STORE = _CARD.format("(card.store_id = :store_id OR :store_id = ANY(card.known_stores))")
_WITHIN = _CARD.format("(card.store_id = ANY(:within) OR card.known_stores && CAST(:within AS uuid[]))")

_TAGGED = (
    "EXISTS (SELECT 1 FROM customer_tag carried WHERE carried.merchant_id = customer.merchant_id"
    " AND carried.tag_id = :tag_id AND carried.customer_id = customer.id)"
)
_AT_LEAST = f"{_VISITS.format('CAST(:visits_min AS bigint)')} >= CAST(:visits_min AS bigint)"
_AT_MOST = f"{_VISITS.format('CAST(:visits_max AS bigint) + 1')} <= CAST(:visits_max AS bigint)"


def conditions(chosen: AudienceFilter, *, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return the condition on customer, and its parameters besides merchant_id; the text search is not in it."""
    parts = ["customer.merchant_id = :merchant_id", "customer.erased_at IS NULL"]
    if chosen.consent is not None:
        parts.append("customer.email_consent" if chosen.consent == "yes" else "NOT customer.email_consent")
    if chosen.wallet is not None:
        parts.append(_WALLET[chosen.wallet])
    if chosen.activity is not None:
        parts.append(_ACTIVITY[chosen.activity])
    if chosen.reward:
        parts.append(_CARD.format("card.reward_unlocked"))
    if chosen.blocked:
        parts.append(_CARD.format("card.status = 'blocked'"))
    given = {
        "store_id": (_AT_STORE, chosen.store_id),
        "within": (_WITHIN, sorted(chosen.within) or None),
        "birthday_month": ("customer.birthday_month = :birthday_month", chosen.birthday_month),
        "tag_id": (_TAGGED, chosen.tag_id),
        "visits_min": (_AT_LEAST, chosen.visits_min or None),
        "visits_max": (_AT_MOST, chosen.visits_max),
    }
    values: dict[str, Any] = {name: value for name, (_, value) in given.items() if value is not None}
    parts += [given[name][0] for name in values]
    values |= {"new_since": now - NEW_FOR} if chosen.activity == "new" else {}
    values |= {"quiet_since": now - QUIET_AFTER} if chosen.activity == "quiet" else {}
    return " AND ".join(parts), values


async def audience_sql(
    session: AsyncSession, merchant_id: UUID, chosen: AudienceFilter, *, now: datetime
) -> tuple[str, Mapping[str, Any]]:
    """Return the whole condition with all parameters; a text was searched for first, by its own index."""
    where, values = conditions(chosen, now=now)
    if chosen.text:
        where += " AND customer.id = ANY(:hits)"
        values["hits"] = await find_hits(session, merchant_id, chosen.text)
    return where, {"merchant_id": merchant_id, **values}


async def count_audience(
    session: AsyncSession, merchant_id: UUID, chosen: AudienceFilter, *, now: datetime, most: int = 2**40
) -> int:
    """Return how many customers are meant, counted up to `most`."""
    where, values = await audience_sql(session, merchant_id, chosen, now=now)
    # The condition is made of constants of this file; what people typed are parameters.
    statement = f"SELECT count(*) FROM (SELECT 1 FROM customer WHERE {where} LIMIT :most) AS meant"  # noqa: S608
    return int((await session.execute(text(statement), {**values, "most": most})).scalar_one())


async def list_audience(
    session: AsyncSession, merchant_id: UUID, chosen: AudienceFilter, *, now: datetime, batch: int = BATCH
) -> AsyncIterator[UUID]:
    """Yield the ids of the customers who are meant, in the order of joining, read in batches.

    Between two ids the session may be used, and even committed: each batch is a statement of its own.
    """
    where, values = await audience_sql(session, merchant_id, chosen, now=now)
    statement = text(
        f"SELECT customer.id FROM customer WHERE {where} AND customer.id > :after"  # noqa: S608
        " ORDER BY customer.id LIMIT :batch"
    )
    after = UUID(int=0)
    while True:
        found = await session.execute(statement, {**values, "after": after, "batch": batch})
        ids: list[UUID] = list(found.scalars())
        for customer_id in ids:
            yield customer_id
        if len(ids) < batch:
            return
        after = ids[-1]


async def is_meant(
    session: AsyncSession, merchant_id: UUID, chosen: AudienceFilter, *, customer_id: UUID, now: datetime
) -> bool:
    """Tell whether a customer is one of those meant."""
    where, values = await audience_sql(session, merchant_id, chosen, now=now)
    statement = f"SELECT 1 FROM customer WHERE {where} AND customer.id = :customer_id"  # noqa: S608
    found = await session.execute(text(statement), {**values, "customer_id": customer_id})
    return found.first() is not None
