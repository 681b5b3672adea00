"""Keeping the roll-ups: taking changed cards, counting a merchant anew beside the figures in use, and switching over.

No change is missed. A card's refresh mark is committed with the change (wallets.marks); the worker takes it and leaves
the card in rollup_pending; only after taking that is the card read, by a later snapshot. A transaction that is still
open has no mark that anybody could take, however old its rows' ids are, so nothing here rests on clocks or order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs.enqueue import connection_of
from app.modules.analytics.counting.statements import (
    COUNT,
    EARLIER_HOLDERS,
    HOLDERS,
    LEAVE,
    ROLLUPS,
    TAKE,
)

CARDS_A_TURN = 200
# A batch changes nearly every cell of a large merchant: the more are counted at once, the fewer times that is. What
# changes meanwhile is counted between two batches (count_anew), a few seconds later.
CUSTOMERS_A_BATCH = 5_000
FEW_CUSTOMERS = 300
COUNT_SECONDS_MAX = 300
# For the sorts of a batch's events, which would go to the disk with what a page's statements have.
COUNT_MEMORY = "64MB"
ROWS_DELETED_AT_ONCE = 50_000
# Raised when the same tables would be counted to other figures: everything is counted anew then.
COUNTING_VERSION = 1
NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Counting:
    """A counting of a merchant's roll-ups. cursor: how far it has come, None when it has not begun."""

    build: int
    live: bool
    complete: bool
    cursor: UUID | None
    basis: dict[str, str]

    @property
    def is_used(self) -> bool:
        """Tell whether it is the one that pages read, or under way; anything else waits to be deleted."""
        return self.live or not self.complete


_STATES = """SELECT build, live, complete, cursor, basis FROM rollup_state WHERE merchant_id = $1
ORDER BY build FOR UPDATE"""
_FREE = """SELECT count(*) = (SELECT count(*) FROM rollup_state WHERE merchant_id = $1)
FROM (SELECT 1 FROM rollup_state WHERE merchant_id = $1 ORDER BY build FOR UPDATE SKIP LOCKED) AS unlocked"""
_BASIS = """SELECT 'currency' AS name, currency AS value FROM merchant WHERE id = $1
UNION ALL SELECT id::text, time_zone FROM store WHERE merchant_id = $1"""
_BEGIN = """INSERT INTO rollup_state (merchant_id, build, basis, started_at)
SELECT $1, coalesce(max(build), 0) + 1, $2, $3 FROM rollup_state WHERE merchant_id = $1
ON CONFLICT DO NOTHING RETURNING build"""
_NEXT = """SELECT id FROM customer WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3"""


async def leave_pending(session: AsyncSession, cards: Iterable[tuple[UUID, UUID]]) -> None:
    """Note that cards changed, as (merchant, card) pairs; one note a card, however often. Sorted: no deadlocks."""
    pairs = sorted(set(cards))
    if not pairs:
        return
    raw = await connection_of(session)
    await raw.execute(LEAVE, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


async def lock_countings(session: AsyncSession, merchant_id: UUID) -> list[Counting]:
    """Return the merchant's countings, locked: one at a time counts for a merchant."""
    raw = await connection_of(session)
    rows = await raw.fetch(_STATES, merchant_id)
    return [
        Counting(row["build"], row["live"], row["complete"], row["cursor"], json.loads(row["basis"]))
        for row in rows
    ]


async def take_countings(session: AsyncSession, merchant_id: UUID) -> bool:
    """Lock the merchant's countings without waiting; False where another worker is counting for it."""
    raw = await connection_of(session)
    return bool(await raw.fetchval(_FREE, merchant_id))


async def read_basis(session: AsyncSession, merchant_id: UUID) -> dict[str, str]:
    """Return what the figures rest on: the currency and each store's time zone."""
    raw = await connection_of(session)
    found = {row["name"]: row["value"] for row in await raw.fetch(_BASIS, merchant_id)}
    return {**found, "version": str(COUNTING_VERSION)}


def is_outdated(counted: dict[str, str], today: dict[str, str]) -> bool:
    """Tell whether what was counted rests on something that is no longer so; a new store changes nothing."""
    return any(today.get(name) != value for name, value in counted.items())


async def count_pending(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Count the cards that changed into every counting in use; returns how many cards there were."""
    countings = [counting for counting in await lock_countings(session, merchant_id) if counting.is_used]
    basis = await read_basis(session, merchant_id)
    if not countings or is_outdated(countings[-1].basis, basis):
        await begin_counting(session, merchant_id, now=now)
        return 1
    raw = await connection_of(session)
    taken = [row["pass_id"] for row in await raw.fetch(TAKE, merchant_id, CARDS_A_TURN)]
    for counting in countings if taken else ():
        # Figures that rest on another time zone or currency stay as they are until the new ones are there.
        if not is_outdated(counting.basis, basis):
            customers = await _touched(raw, merchant_id, counting, taken)
            await _count(raw, merchant_id, counting, customers, currency=basis["currency"])
    return len(taken)


async def begin_counting(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Begin to count the merchant anew beside the figures in use; what was under way is dropped.

    A small merchant is done at once; of a larger one the rest is to be continued (continue_counting).
    """
    await lock_countings(session, merchant_id)
    raw = await connection_of(session)
    await raw.execute("UPDATE rollup_state SET complete = true WHERE merchant_id = $1", merchant_id)
    basis = json.dumps(await read_basis(session, merchant_id), sort_keys=True)
    if await raw.fetchval(_BEGIN, merchant_id, basis, now) is None:
        return  # another worker began at the same moment
    await continue_counting(session, merchant_id, now=now)


async def continue_counting(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> bool:
    """Count the next customers of the counting under way, and switch over after the last; True while more are left."""
    countings = await lock_countings(session, merchant_id)
    counting = next((one for one in countings if not one.complete), None)
    if counting is None:
        return False
    raw = await connection_of(session)
    rows = await raw.fetch(_NEXT, merchant_id, counting.cursor or NO_ID, CUSTOMERS_A_BATCH)
    customers = [row["id"] for row in rows]
    if customers:
        reached = Counting(
            counting.build, counting.live, complete=False, cursor=customers[-1], basis=counting.basis
        )
        touched = await _widened(raw, merchant_id, reached, customers)
        await _count(raw, merchant_id, reached, touched, currency=counting.basis["currency"])
        await raw.execute(
            "UPDATE rollup_state SET cursor = $3 WHERE merchant_id = $1 AND build = $2",
            merchant_id,
            counting.build,
            customers[-1],
        )
    if len(customers) == CUSTOMERS_A_BATCH:
        return True
    await _switch_over(raw, merchant_id, counting.build, now=now)
    return False


async def forget_old_countings(session: AsyncSession, merchant_id: UUID) -> bool:
    """Delete a batch of what earlier countings left behind; True while there is more."""
    for counting in await lock_countings(session, merchant_id):
        if not counting.is_used and await _forget(session, merchant_id, counting.build):
            return True
    return False


async def _touched(raw: Any, merchant_id: UUID, counting: Counting, pass_ids: Sequence[UUID]) -> list[UUID]:
    rows = await raw.fetch(HOLDERS, merchant_id, counting.build, pass_ids)
    return await _widened(raw, merchant_id, counting, [row["customer_id"] for row in rows])


async def _widened(raw: Any, merchant_id: UUID, counting: Counting, customers: Sequence[UUID]) -> list[UUID]:
    """Add those whom these customers' cards were counted for before a merge, until nobody is missing."""
    known = set(customers)
    fresh = list(known)
    while fresh:
        rows = await raw.fetch(EARLIER_HOLDERS, merchant_id, counting.build, fresh)
        fresh = [row["customer_id"] for row in rows if row["customer_id"] not in known]
        known.update(fresh)
    return sorted(known)


async def _count(
    raw: Any, merchant_id: UUID, counting: Counting, customers: Sequence[UUID], *, currency: str
) -> None:
    # While the counting is under way, those behind its cursor are counted when it comes to them.
    reached = None if counting.complete else counting.cursor or NO_ID
    # The role's own limit is made for pages; a batch of a large merchant on a busy machine may take longer.
    await raw.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS_MAX}s'")
    if len(customers) > FEW_CUSTOMERS:
        # One plan for all is made for a handful; many customers are joined better by a plan of their own.
        await raw.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        await raw.execute(f"SET LOCAL work_mem = '{COUNT_MEMORY}'")
    await raw.fetchval(
        COUNT, merchant_id, counting.build, customers, currency, reached, timeout=COUNT_SECONDS_MAX
    )


async def _switch_over(raw: Any, merchant_id: UUID, build: int, *, now: datetime) -> None:
    await raw.execute(
        """UPDATE rollup_state SET live = (build = $2), complete = complete OR build = $2,
           finished_at = CASE WHEN build = $2 THEN $3 ELSE finished_at END WHERE merchant_id = $1""",
        merchant_id,
        build,
        now,
    )


async def _forget(session: AsyncSession, merchant_id: UUID, build: int) -> bool:
    """Delete a counting; True where rows were left for another turn."""
    raw = await connection_of(session)
    for table in ROLLUPS:
        # The names come from code, never from input.
        done = await raw.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table}"  # noqa: S608
            " WHERE merchant_id = $1 AND build = $2 LIMIT $3))",
            merchant_id,
            build,
            ROWS_DELETED_AT_ONCE,
        )
        if done == f"DELETE {ROWS_DELETED_AT_ONCE}":
            return True
    await raw.execute("DELETE FROM rollup_state WHERE merchant_id = $1 AND build = $2", merchant_id, build)
    return False
