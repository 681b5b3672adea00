"""The log: what was told to whom and how it went; telling it again; forgetting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.webhooks.endpoints import (
    forget_removed,
    forget_secrets,
    get_endpoint,
    list_endpoints,
)
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from app.modules.webhooks.rules import LOG_KEPT
from app.modules.webhooks.telling.recording import record_test

PAGE = 50
ATTEMPTS_SHOWN = 50
COUNTED_MAX = 10_000
FORGET_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log."""

    delivery: WebhookDelivery
    event: WebhookEvent


@dataclass(frozen=True, slots=True)
class Look:
    """Which part of a log is looked at. before: the delivery that the page before ended with."""

    status: str | None = None
    type: str | None = None
    before: UUID | None = None


def _own(merchant_id: UUID, endpoint_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (WebhookDelivery.merchant_id == merchant_id, WebhookDelivery.endpoint_id == endpoint_id)


def _with_event() -> Any:
    return select(WebhookDelivery, WebhookEvent).join(
        WebhookEvent,
        (WebhookEvent.merchant_id == WebhookDelivery.merchant_id)
        & (WebhookEvent.id == WebhookDelivery.event_id),
    )


async def list_deliveries(
    session: AsyncSession, merchant_id: UUID, endpoint_id: UUID, *, look: Look
) -> tuple[list[Line], UUID | None]:
    """Return a page of the log, newest first, and what the next page comes after, or None."""
    query = _with_event().where(*_own(merchant_id, endpoint_id))
    if look.status:
        # A literal, so that the index over these alone is used.
        assert look.status in {"waiting", "delivered", "failed"}
        query = query.where(WebhookDelivery.status == literal_column(f"'{look.status}'"))
    if look.type:
        query = query.where(WebhookEvent.type == look.type)
    if look.before:
        query = query.where(WebhookDelivery.id < look.before)
    rows = await session.execute(query.order_by(WebhookDelivery.id.desc()).limit(PAGE + 1))
    lines = [Line(delivery, event) for delivery, event in rows]
    return lines[:PAGE], lines[PAGE - 1].delivery.id if len(lines) > PAGE else None


async def count_open(session: AsyncSession, merchant_id: UUID) -> dict[UUID, dict[str, int]]:
    """Return how many deliveries of each address wait and failed, up to a number that says enough."""
    found: dict[UUID, dict[str, int]] = {}
    for row in await list_endpoints(session, merchant_id):
        for status in ("waiting", "failed"):
            some = (
                select(WebhookDelivery.id)
                .where(*_own(merchant_id, row.id), WebhookDelivery.status == literal_column(f"'{status}'"))
                .limit(COUNTED_MAX)
                .subquery()
            )
            count = await session.scalar(select(func.count()).select_from(some))
            found.setdefault(row.id, {})[status] = count or 0
    return found


async def get_delivery(
    session: AsyncSession, merchant_id: UUID, delivery_id: UUID, *, endpoint_id: UUID
) -> tuple[Line, Sequence[WebhookAttempt]]:
    """Return a delivery and its newest tries, the last one first; raises NotFound."""
    found = (
        await session.execute(
            _with_event().where(*_own(merchant_id, endpoint_id), WebhookDelivery.id == delivery_id)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("webhook delivery")
    tries = await session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.merchant_id == merchant_id, WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.id.desc())
        .limit(ATTEMPTS_SHOWN)
    )
    return Line(*found), tries.all()


async def redeliver(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, *, delivery_id: UUID | None, now: datetime
) -> int | Refusal:
    """Send one delivery again, arrived or not, or (with None) all that failed; returns how many. Raises NotFound.

    The days of trying begin anew; the id of the event stays, by which the other program knows what it had.
    """
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    if not row.is_on:
        return Refusal("endpoint_off")
    which = (
        (WebhookDelivery.status == "failed",) if delivery_id is None else (WebhookDelivery.id == delivery_id,)
    )
    again = await session.execute(
        update(WebhookDelivery)
        .where(*_own(row.merchant_id, endpoint_id), *which)
        .values(status="waiting", attempts=0, error="", wanted_at=now, next_at=now, finished_at=None)
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    count = len(again.all())
    if delivery_id is not None and not count:
        raise NotFound("webhook delivery")
    _try_soon(row, now=now)
    await record_audit(
        session, principal, action="webhook.sent_again", target_kind="webhook", target_id=row.id, now=now,
        facts={"count": count},
    )  # fmt: skip
    return count


def _try_soon(row: WebhookEndpoint, *, now: datetime) -> None:
    """Somebody looks: a dead address is due now, behind those that were due before."""
    if row.retry_at is not None:
        row.retry_at = min(row.retry_at, now)


async def send_test(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, *, now: datetime
) -> UUID | Refusal:
    """Send a test event to one address and return its delivery; raises NotFound."""
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    made = await record_test(session, row.merchant_id, row.id, now=now)
    if made is None:
        return Refusal("endpoint_off")
    _try_soon(row, now=now)
    await record_audit(
        session, principal, action="webhook.tested", target_kind="webhook", target_id=row.id, now=now
    )
    return made


async def forget_old(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Delete events with their log after their time, and secrets that sign no more; returns how many events."""
    await forget_secrets(session, merchant_id, now=now)
    await forget_removed(session, merchant_id, now=now)
    count = 0
    while ids := list(await session.scalars(_old(merchant_id, before=now - LOG_KEPT))):
        its = select(WebhookDelivery.id).where(
            WebhookDelivery.merchant_id == merchant_id, WebhookDelivery.event_id.in_(ids)
        )
        await session.execute(
            delete(WebhookAttempt).where(
                WebhookAttempt.merchant_id == merchant_id, WebhookAttempt.delivery_id.in_(its)
            )
        )
        await session.execute(
            delete(WebhookDelivery).where(
                WebhookDelivery.merchant_id == merchant_id, WebhookDelivery.event_id.in_(ids)
            )
        )
        await session.execute(
            delete(WebhookEvent).where(WebhookEvent.merchant_id == merchant_id, WebhookEvent.id.in_(ids))
        )
        count += len(ids)
    return count


def _old(merchant_id: UUID, *, before: datetime) -> Any:
    waits = exists().where(
        WebhookDelivery.merchant_id == merchant_id,
        WebhookDelivery.event_id == WebhookEvent.id,
        WebhookDelivery.status == "waiting",
    )
    return (
        select(WebhookEvent.id)
        .where(WebhookEvent.merchant_id == merchant_id, WebhookEvent.at < before, ~waits)
        .order_by(WebhookEvent.at)
        .limit(FORGET_BATCH)
    )
