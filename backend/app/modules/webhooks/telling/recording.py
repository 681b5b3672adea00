"""Writing an event down in the transaction in which it happened: one statement, for all addresses that want it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.webhooks.rules import ENDPOINTS_MAX, FEATURE, TEST
from app.utils.id_generator import new_id

# Only what somebody wants is written. The unique keys decide: the same thing is told once.
_RECORD = """WITH wanted AS (
    SELECT point.id, row_number() OVER (ORDER BY point.id) AS place FROM webhook_endpoint point
    JOIN merchant ON merchant.id = point.merchant_id
    WHERE point.merchant_id = :merchant_id AND point.is_on AND :feature = ANY (merchant.modules_on) AND {which}
), event AS (
    INSERT INTO webhook_event (merchant_id, id, type, key, data, customer_id, at)
    SELECT :merchant_id, :id, :type, :key, CAST(:data AS jsonb), CAST(:customer_id AS uuid), :at
    WHERE EXISTS (SELECT FROM wanted)
    ON CONFLICT (merchant_id, type, key) DO NOTHING RETURNING id
)
INSERT INTO webhook_delivery (merchant_id, id, event_id, endpoint_id, status, attempts, wanted_at, next_at)
SELECT :merchant_id, (CAST(:ids AS uuid[]))[wanted.place], event.id, wanted.id, 'waiting', 0, :at, :at
FROM event CROSS JOIN wanted RETURNING id"""
_FOR_ALL = text(_RECORD.format(which=":type = ANY (point.events)"))
_FOR_ONE = text(_RECORD.format(which="point.id = :endpoint_id"))


@dataclass(frozen=True, slots=True)
class Happened:
    """Something to tell. key: what makes it that one thing; with None, it is a thing of its own each time."""

    merchant_id: UUID
    type: str
    at: datetime
    key: str | None = None
    customer_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


async def record_event(session: AsyncSession, happened: Happened) -> None:
    """Write an event for every address that wants it; nothing where there is none, or the feature is off."""
    await session.execute(_FOR_ALL, _values(happened))


async def record_test(
    session: AsyncSession, merchant_id: UUID, endpoint_id: UUID, *, now: datetime
) -> UUID | None:
    """Write a test event for one address and return its delivery; None where it is off."""
    happened = Happened(merchant_id, TEST, now, data={"endpoint_id": str(endpoint_id)})
    found: UUID | None = await session.scalar(_FOR_ONE, _values(happened) | {"endpoint_id": endpoint_id})
    return found


def _values(happened: Happened) -> dict[str, Any]:
    event_id = new_id()
    return {
        "merchant_id": happened.merchant_id,
        "feature": FEATURE,
        "id": event_id,
        "type": happened.type,
        "key": happened.key or str(event_id),
        "data": json.dumps({"merchant_id": happened.merchant_id} | dict(happened.data), default=str),
        "customer_id": happened.customer_id,
        "at": happened.at,
        "ids": [new_id() for _place in range(ENDPOINTS_MAX)],
    }
