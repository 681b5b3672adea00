"""Refresh marks: left with a change, taken by the worker. No change falls between the two.

A change is committed together with its mark, or holds the lock of a mark that is there already; the poller
takes only marks nobody holds, and the job it queues reads the card after that. So whatever was committed
before the mark was taken is read; whatever comes later finds no mark and leaves a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, false, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.models import PassObject
from app.modules.wallets.models import CardRefresh, UpdateCounter

MARKS_TAKEN = 100
PROGRAM_BATCH = 1_000
# So many of one merchant may wait before a redesign rests; some seconds of a worker's time at worst.
MARKS_WAITING_MAX = 2 * PROGRAM_BATCH
# More of one merchant in a batch than any shop's tills stamp in half a second: a redesign, a round of messages.
MANY_MARKS = 20

# The same as mark_changed, for callers that write all at once. On a mark that is there already, DO UPDATE ...
# WHERE false writes nothing and locks it: the poller cannot take it before the change is committed. With DO
# NOTHING an earlier change's mark could be taken, and the card be read, just before this change is there.
MARK_SQL = """INSERT INTO card_refresh (merchant_id, pass_id) VALUES ($1, $2)
ON CONFLICT (merchant_id, pass_id) DO UPDATE SET marked_at = card_refresh.marked_at WHERE false"""


async def mark_changed(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
    """Note in the caller's transaction that a card's outputs are out of date; one a card, however often."""
    statement = insert(CardRefresh).values(merchant_id=merchant_id, pass_id=pass_id)
    locking = statement.on_conflict_do_update(
        index_elements=["merchant_id", "pass_id"],
        set_={"marked_at": CardRefresh.marked_at},
        where=false(),
    )
    await session.execute(locking)


async def take_marks(session: AsyncSession, *, limit: int = MARKS_TAKEN) -> list[tuple[UUID, UUID]]:
    """Remove and return the oldest marks that no open transaction holds; the session is the system's."""
    oldest = (
        select(CardRefresh.merchant_id, CardRefresh.pass_id)
        .order_by(CardRefresh.marked_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("oldest")
    )
    key = tuple_(CardRefresh.merchant_id, CardRefresh.pass_id)
    rows = await session.execute(
        delete(CardRefresh)
        .where(key.in_(select(oldest)))
        .returning(CardRefresh.merchant_id, CardRefresh.pass_id)
    )
    return [(row.merchant_id, row.pass_id) for row in rows]


def merchants_with_many(marks: Iterable[tuple[UUID, UUID]]) -> set[UUID]:
    """Return the merchants whose marks crowd a batch; their cards let the others' pass."""
    found = Counter(merchant_id for merchant_id, _card in marks)
    return {merchant_id for merchant_id, count in found.items() if count > MANY_MARKS}


async def is_crowded(session: AsyncSession, merchant_id: UUID) -> bool:
    """Tell whether so many marks of a merchant wait that more would only stand in others' way."""
    some = (
        select(CardRefresh.pass_id)
        .where(CardRefresh.merchant_id == merchant_id)
        .limit(MARKS_WAITING_MAX)
        .subquery()
    )
    return int(await session.scalar(select(func.count()).select_from(some)) or 0) >= MARKS_WAITING_MAX


async def mark_program_cards(
    session: AsyncSession, merchant_id: UUID, program_id: UUID, *, after: UUID | None
) -> UUID | None:
    """Mark a batch of a programme's cards, by id; returns the last one where there may be more."""
    cards = (
        select(PassObject.merchant_id, PassObject.id)
        .where(
            PassObject.merchant_id == merchant_id,
            PassObject.program_id == program_id,
            PassObject.status.in_(("active", "blocked")),
            PassObject.id > (after or UUID(int=0)),
        )
        .order_by(PassObject.id)
        .limit(PROGRAM_BATCH)
    )
    ids = [row.id for row in await session.execute(cards.with_for_update(key_share=True))]
    if ids:
        await raise_revisions(session, merchant_id, ids)
        # Sorted by id: two batches, or a batch and a merge of two cards, take the marks in one order.
        statement = insert(CardRefresh).values([{"merchant_id": merchant_id, "pass_id": id} for id in ids])
        locking = statement.on_conflict_do_update(
            index_elements=["merchant_id", "pass_id"],
            set_={"marked_at": CardRefresh.marked_at},
            where=false(),
        )
        await session.execute(locking)
    return ids[-1] if len(ids) == PROGRAM_BATCH else None


async def raise_revisions(session: AsyncSession, merchant_id: UUID, ids: list[UUID]) -> None:
    """Note that cards look different now: a phone that asks "modified since?" must not be told no.

    As in cards.public.raise_revision, Last-Modified rises by a whole second at least.
    """
    moment = func.greatest(
        func.now(), func.date_trunc("second", PassObject.changed_at) + text("interval '1 second'")
    )
    await session.execute(
        update(PassObject)
        .where(PassObject.merchant_id == merchant_id, PassObject.id.in_(ids))
        .values(revision=PassObject.revision + 1, changed_at=moment)
    )


async def assign_update_tag(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> int | None:
    """Give the card the next update tag, in a short transaction of its own; None for an unknown card.

    The counter's row stays locked until the commit: tags become visible in their order, so that a device that
    asks what changed after tag N never misses a lower one that is still to be committed.
    """
    # The card first: waiting for a stamp in progress must not hold up the counter for everybody.
    known = await session.execute(
        select(PassObject.id)
        .where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
        .with_for_update(key_share=True)
    )
    if known.one_or_none() is None:
        return None
    counter = insert(UpdateCounter).values(name="card", value=1)
    counter = counter.on_conflict_do_update(index_elements=["name"], set_={"value": UpdateCounter.value + 1})
    tag: int = (await session.execute(counter.returning(UpdateCounter.value))).scalar_one()
    await session.execute(
        text("UPDATE pass_object SET update_tag = :tag WHERE merchant_id = :merchant_id AND id = :pass_id"),
        {"tag": tag, "merchant_id": merchant_id, "pass_id": pass_id},
    )
    return tag
