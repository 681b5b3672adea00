"""Counts for the overview; each a single statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

NOTIFIED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class CardCounts:
    """Active cards, and how many of them live in which wallet."""

    active: int
    apple: int
    google: int
    either: int
    google_made: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Cards whose change has not reached every wallet yet, and since when the oldest waits."""

    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Notified:
    """What Google announced in the last 24 hours, on how many passes, and what came without a sound."""

    sent: int
    passes: int
    spent: int
    silenced: int


_CARDS = text("""
SELECT count(*) AS active, count(*) FILTER (WHERE in_apple) AS apple, count(*) FILTER (WHERE in_google) AS google,
    count(*) FILTER (WHERE in_apple OR in_google) AS either, count(*) FILTER (WHERE made) AS google_made
FROM (
    SELECT EXISTS (SELECT FROM apple_device_registration a
            WHERE a.merchant_id = p.merchant_id AND a.pass_serial = p.apple_serial) AS in_apple,
        coalesce(g.saves > g.deletions, false) AS in_google, coalesce(g.sent <> '{}'::jsonb, false) AS made
    FROM pass_object p LEFT JOIN google_object g ON g.merchant_id = p.merchant_id AND g.pass_id = p.id
    WHERE p.merchant_id = :merchant_id AND p.status = 'active'
        AND (CAST(:program_id AS uuid) IS NULL OR p.program_id = :program_id)
) AS cards
""")
_WAITING = text("""
SELECT count(DISTINCT pass_id) AS count, min(since) AS since FROM (
    SELECT pass_id::text, marked_at AS since FROM card_refresh WHERE merchant_id = :merchant_id
    UNION ALL
    SELECT convert_from(payload, 'UTF8')::jsonb->>'pass_id', created FROM pgqueuer
    WHERE entrypoint = 'wallets.refresh_card' AND status IN ('queued', 'picked')
        AND headers->>'merchant_id' = :merchant_text
) AS waiting
""")
_NOTIFIED = text("""
SELECT coalesce(sum(recent), 0)::bigint AS sent, count(*) FILTER (WHERE recent > 0) AS passes,
    count(*) FILTER (WHERE recent >= :budget) AS spent, coalesce(sum(silenced), 0)::bigint AS silenced
FROM (
    SELECT silenced, (SELECT count(*) FROM jsonb_array_elements_text(notified) AS at
        WHERE at::timestamptz > :since) AS recent
    FROM google_object WHERE merchant_id = :merchant_id
) AS passes
""")
_LIVES = text("""
SELECT p.id, p.card_number, g.saves > g.deletions AS in_google, coalesce(g.sent <> '{}'::jsonb, false) AS made,
    coalesce(g.notified, '[]'::jsonb) AS notified,
    (SELECT count(*) FROM apple_device_registration a
        WHERE a.merchant_id = p.merchant_id AND a.pass_serial = p.apple_serial) AS devices
FROM pass_object p LEFT JOIN google_object g ON g.merchant_id = p.merchant_id AND g.pass_id = p.id
WHERE p.merchant_id = :merchant_id AND p.id = ANY (:ids)
""")


async def count_cards(
    session: AsyncSession, merchant_id: UUID, *, program_id: UUID | None = None
) -> CardCounts:
    """Return how many cards live where; program_id: only those of a programme."""
    row = (await session.execute(_CARDS, {"merchant_id": merchant_id, "program_id": program_id})).one()
    return CardCounts(**row._mapping)


async def count_waiting(session: AsyncSession, merchant_id: UUID) -> Waiting:
    """Return what has not been sent yet: marks the worker has not taken, and jobs that wait or run."""
    values = {"merchant_id": merchant_id, "merchant_text": str(merchant_id)}
    row = (await session.execute(_WAITING, values)).one()
    return Waiting(**row._mapping)


async def count_notified(session: AsyncSession, merchant_id: UUID, *, budget: int, now: datetime) -> Notified:
    """Return how much of the notifications' budget is used."""
    values = {"merchant_id": merchant_id, "budget": budget, "since": now - NOTIFIED_WITHIN}
    row = (await session.execute(_NOTIFIED, values)).one()
    return Notified(**row._mapping)


async def find_lives(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID]
) -> list[Mapping[str, Any]]:
    """Return for each card in which wallets it lives, in the order of the ids."""
    rows = await session.execute(_LIVES, {"merchant_id": merchant_id, "ids": list(pass_ids)})
    found = {row.id: row._mapping for row in rows}
    return [dict(found[pass_id]) for pass_id in pass_ids if pass_id in found]
