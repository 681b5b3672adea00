"""Delivering: one worker for an address at a time, one probe for one that seems dead, and what follows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import JobContext
from app.kernel.jobs.definition import random_jitter
from app.kernel.observability import describe_exception, get_logger
from app.kernel.outgoing.addresses import AddressRefused
from app.kernel.outgoing.client import FetchFailed, FetchTooSlow, OutgoingClient
from app.kernel.permissions import Principal
from app.modules.merchants.public import get_merchant
from app.modules.webhooks.endpoints import open_secrets, stop_waiting, turn_off
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from app.modules.webhooks.rules import (
    FEATURE,
    GIVE_UP_AFTER,
    OFF_AFTER,
    PROBE_AFTER,
    Verdict,
    is_too_late,
    judge,
    probe_wait,
    shorten,
    wait_after,
    write_body,
)
from app.modules.webhooks.sending.mails import tell_switched_off
from app.utils.id_generator import new_id

TIME_MAX = timedelta(seconds=15)
ANSWER_BYTES_MAX = 1_000_000
# Deliveries to one address side by side; the client's connections are shared by all jobs of a worker.
AT_ONCE = 2
# A run ends after so long and the next one goes on; a worker that died lets go of the address after the lease.
RUN_MAX = timedelta(seconds=45)
LEASE = timedelta(minutes=3)

log = get_logger("stempel.webhooks")


@dataclass(frozen=True, slots=True)
class Load:
    """A delivery that is due, with all that is sent."""

    id: UUID
    event_id: UUID
    attempts: int
    wanted_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """What is sent in one go, where to, and what signs it."""

    url: str
    secrets: tuple[bytes, ...]
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try went."""

    load: Load
    at: datetime
    status: int | None
    verdict: Verdict
    milliseconds: int
    answer: str = ""


async def take_endpoint(context: JobContext, endpoint_id: UUID) -> bool:
    """Take the address for this worker alone; False where another has it, or it is to be told nothing."""
    merchant_id, now = _merchant(context), context.clock.now()
    async with context.session() as session:
        taken = await session.scalar(
            update(WebhookEndpoint)
            .where(
                WebhookEndpoint.merchant_id == merchant_id,
                WebhookEndpoint.id == endpoint_id,
                func.coalesce(WebhookEndpoint.sending_until, now) <= now,
            )
            .values(sending_until=now + LEASE)
            .returning(WebhookEndpoint.is_on)
        )
        if taken is None:
            return False
        if taken and FEATURE in (await get_merchant(session, merchant_id)).modules_on:
            return True
        await stop_waiting(session, merchant_id, endpoint_id, now=now)
    await release_endpoint(context, endpoint_id)
    return False


async def release_endpoint(context: JobContext, endpoint_id: UUID) -> None:
    """Let go of an address."""
    async with context.session() as session:
        await session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.merchant_id == context.merchant_id, WebhookEndpoint.id == endpoint_id)
            .values(sending_until=None)
        )


async def send_due(context: JobContext, endpoint_id: UUID) -> None:
    """Send what is due to an address that this worker has taken, until nothing is, it fails, or time is up."""
    stop = monotonic() + RUN_MAX.total_seconds()
    while True:
        turn = await _load(context, endpoint_id)
        if turn is None:
            return
        tried = await asyncio.gather(*(_try(context, turn, load) for load in turn.loads))
        async with context.session() as session:
            goes_on = await _keep(session, context, endpoint_id, tried)
        if not goes_on or monotonic() > stop:
            return


async def _load(context: JobContext, endpoint_id: UUID) -> Turn | None:
    merchant_id, now = _merchant(context), context.clock.now()
    async with context.session() as session:
        point = await session.get(WebhookEndpoint, (merchant_id, endpoint_id))
        if point is None or not point.is_on or (point.retry_at is not None and point.retry_at > now):
            return None
        waiting = (
            WebhookDelivery.merchant_id == merchant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "waiting",
        )
        if point.failing_since is not None:
            await session.execute(
                update(WebhookDelivery)
                .where(*waiting, WebhookDelivery.wanted_at < now - GIVE_UP_AFTER)
                .values(status="failed", error="late", finished_at=now)
            )
        rows = await session.execute(
            select(WebhookDelivery, WebhookEvent)
            .join(
                WebhookEvent,
                (WebhookEvent.merchant_id == WebhookDelivery.merchant_id)
                & (WebhookEvent.id == WebhookDelivery.event_id),
            )
            .where(*waiting, WebhookDelivery.next_at <= now)
            .order_by(WebhookDelivery.next_at, WebhookDelivery.id)
            .limit(1 if point.failures >= PROBE_AFTER else AT_ONCE)
        )
        loads = tuple(_read(delivery, event) for delivery, event in rows)
        return Turn(point.url, tuple(open_secrets(session, point, now=now)), loads) if loads else None


def _read(delivery: WebhookDelivery, event: WebhookEvent) -> Load:
    body = write_body(event.id, event.type, at=event.at, data=event.data)
    return Load(delivery.id, event.id, delivery.attempts, delivery.wanted_at, body)


def sign(load: Load, *, by: tuple[bytes, ...], now: datetime) -> dict[str, str]:
    """Return the headers of a delivery; each secret that is good now signs it."""
    from standardwebhooks import Webhook  # only the worker needs it

    message_id, text = str(load.event_id), load.body.decode()
    signed = " ".join(Webhook(secret).sign(message_id, now, text) for secret in by)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signed,
    }


async def _try(context: JobContext, turn: Turn, load: Load) -> Tried:
    now, started = context.clock.now(), monotonic()
    status, answer = None, ""
    try:
        found = await context.resources.get(OutgoingClient).fetch(
            "POST",
            turn.url,
            headers=sign(load, by=turn.secrets, now=now),
            body=load.body,
            time_max=TIME_MAX,
            bytes_max=ANSWER_BYTES_MAX,
        )
        status, answer = found.status, shorten(found.body)
        verdict = judge(found.status, found.headers, now=now)
    except AddressRefused:
        verdict = Verdict(is_delivered=False, error="address")
    except FetchTooSlow:
        verdict = Verdict(is_delivered=False, error="timeout")
    except FetchFailed:
        verdict = Verdict(is_delivered=False, error="unreachable")
    except Exception as error:  # noqa: BLE001 (the try counts whatever happens, and beside it another goes on)
        log.error("webhook_try_failed", reason=describe_exception(error))
        verdict = Verdict(is_delivered=False, error="unreachable")
    return Tried(load, now, status, verdict, round((monotonic() - started) * 1000), answer)


async def _keep(session: AsyncSession, context: JobContext, endpoint_id: UUID, tried: list[Tried]) -> bool:
    """Write down how the tries went and what follows for the address; False where it is not told more for now.

    A run ends with the first failure: the address then waits in the line of those that failed.
    """
    merchant_id, now = _merchant(context), context.clock.now()
    # The address is locked first, as by whoever changes or removes it.
    point = await session.get(
        WebhookEndpoint, (merchant_id, endpoint_id), with_for_update={"key_share": True}
    )
    if point is None:
        return False
    seemed_dead = point.failures >= PROBE_AFTER
    # What arrived first: it must not blot out the other's wish to wait.
    for one in sorted(tried, key=lambda one: not one.verdict.is_delivered):
        await _keep_one(session, merchant_id, one, now=now)
        _weigh(point, one.verdict, now=now)
    if seemed_dead and point.failures == 0:
        await _wake(session, point, now=now)
    is_dead = point.failing_since is not None and now - point.failing_since >= OFF_AFTER
    if point.is_on and (is_dead or any(one.verdict.is_gone for one in tried)):
        reason = "failing" if is_dead else "gone"
        await turn_off(session, Principal("system", merchant_id, None), point, reason=reason, now=now)
        await tell_switched_off(session, point, now=now)
    return point.is_on and point.failures == 0


async def _keep_one(session: AsyncSession, merchant_id: UUID, tried: Tried, *, now: datetime) -> None:
    load, verdict = tried.load, tried.verdict
    wait = max(wait_after(load.attempts + 1, jitter=random_jitter()), verdict.wait)
    values: dict[str, Any] = {
        "attempts": load.attempts + 1,
        "last_status": tried.status,
        "error": verdict.error,
        "next_at": now + wait,
    }
    if verdict.is_delivered:
        values |= {"status": "delivered", "finished_at": now}
    elif verdict.is_gone or is_too_late(load.wanted_at, now + wait):
        values |= {"status": "failed", "finished_at": now}
    # One that was stopped meanwhile, and yet arrived, has arrived.
    kept = await session.scalar(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.merchant_id == merchant_id,
            WebhookDelivery.id == load.id,
            (WebhookDelivery.status == "waiting") | verdict.is_delivered,
        )
        .values(values)
        .returning(WebhookDelivery.id)
    )
    if kept is not None:
        session.add(
            WebhookAttempt(
                merchant_id=merchant_id,
                id=new_id(),
                delivery_id=load.id,
                at=tried.at,
                status=tried.status,
                error=verdict.error,
                milliseconds=tried.milliseconds,
                answer=tried.answer,
            )
        )


def _weigh(point: WebhookEndpoint, verdict: Verdict, *, now: datetime) -> None:
    """Note on the address what a try says about it."""
    if verdict.is_delivered:
        point.failures, point.failing_since, point.retry_at, point.reached_at = 0, None, None, now
        return
    point.failures += 1
    point.failing_since = point.failing_since or now
    wait = verdict.wait
    if point.failures >= PROBE_AFTER:
        wait = max(wait, probe_wait(point.failures, jitter=random_jitter()))
    if wait:
        point.retry_at = now + wait


async def _wake(session: AsyncSession, point: WebhookEndpoint, *, now: datetime) -> None:
    """Let everything that waited for an address that lives again be sent now."""
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.merchant_id == point.merchant_id,
            WebhookDelivery.endpoint_id == point.id,
            WebhookDelivery.status == "waiting",
            WebhookDelivery.next_at > now,
        )
        .values(next_at=now)
    )


def _merchant(context: JobContext) -> UUID:
    assert context.merchant_id is not None
    return context.merchant_id
