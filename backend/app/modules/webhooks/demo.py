"""Webhooks in a demo shop: a program of the office that is told of people, and an old web shop that said goodbye."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.cards.public import PassObject
from app.modules.merchants.public import switch_feature
from app.modules.visits.public import Visit
from app.modules.webhooks.endpoints import Draft, create_endpoint, turn_off
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from app.modules.webhooks.rules import FEATURE, TEST, WAITS
from app.utils.id_generator import ids_made_at, new_id

# Hosts that nobody can have (RFC 2606): nothing that a demo tells leaves the house.
OFFICE = Draft(
    "https://office.coffeelux.example/stempel",
    ("customer.changed", "customer.erased", "card.merged", "usage.month_closed"),
    "Customer list of the office",
)
OLD_SHOP = Draft(
    "https://shop.coffeelux.example/hooks/loyalty",
    ("visit.given", "visit.undone", "reward.redeemed", "card.joined"),
    "Web shop (old)",
)
CHANGES = 24
VISITS = 16
STORES_MIN = 2
CHANGED = (("email",), ("phone",), ("name",), ("birthday",), ("name", "phone"), ("locale",))


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a shop of the demo told. tries: the status of each answer; 0 is none in time."""

    kind: str
    at: datetime
    data: Mapping[str, Any]
    customer_id: UUID | None = None
    tries: tuple[int, ...] = (200,)


async def add_webhooks(shop: DemoShop) -> None:
    """Give the shop with several stores two addresses and their log."""
    if len(shop.stores) < STORES_MIN:
        return
    owner = Principal("system", shop.merchant_id, None)
    await switch_feature(shop.session, owner, FEATURE, is_on=True, now=shop.now)
    since = shop.now - timedelta(days=80)
    with ids_made_at(since):
        old = await create_endpoint(shop.session, owner, OLD_SHOP, now=since)
    with ids_made_at(since + timedelta(days=30)):
        office = await create_endpoint(shop.session, owner, OFFICE, now=since + timedelta(days=30))
    for told in await _of_the_office(shop, office.id):
        await _log(shop, office, told)
    for told in await _of_the_old_shop(shop):
        await _log(shop, old, told)
    gone_at = shop.now - timedelta(days=6)
    await turn_off(shop.session, owner, old, reason="gone", now=gone_at)


async def _of_the_office(shop: DemoShop, endpoint_id: UUID) -> list[Told]:
    """Return three weeks of changed people, one of them while the office's server was being mended."""
    owners = await shop.session.scalars(
        select(PassObject.customer_id)
        .where(PassObject.merchant_id == shop.merchant_id)
        .order_by(PassObject.id.desc())
        .limit(CHANGES)
    )
    told = []
    for number, customer_id in enumerate(owners):
        data = {"customer_id": str(customer_id), "fields": list(CHANGED[number % len(CHANGED)])}
        tries = {5: (503, 200), 11: (0, 503, 200), 17: (500,) * 9}.get(number, (200,))
        at = shop.now - timedelta(hours=3 + number * 19, minutes=shop.random.randrange(60))
        told.append(Told("customer.changed", at, data, customer_id, tries))
    month = shop.now.replace(day=1) - timedelta(days=1)
    closed = {"month": f"{month:%Y-%m}", "usage": {"cards": len(shop.card_ids), "visits": 1204, "mails": 311}}
    counted = min(shop.now.replace(day=1, hour=2, minute=10), shop.now - timedelta(hours=1))
    told.append(Told("usage.month_closed", counted, closed))
    told.append(Told(TEST, shop.now - timedelta(minutes=42), {"endpoint_id": str(endpoint_id)}))
    return told


async def _of_the_old_shop(shop: DemoShop) -> list[Told]:
    """Return the last visits that the old web shop was told of, and the one that it wanted to hear no more."""
    before = shop.now - timedelta(days=6)
    rows = await shop.session.execute(
        select(Visit, PassObject.customer_id)
        .join(PassObject, (PassObject.merchant_id == Visit.merchant_id) & (PassObject.id == Visit.pass_id))
        .where(Visit.merchant_id == shop.merchant_id, Visit.at < before, Visit.voided_at.is_(None))
        .order_by(Visit.at.desc())
        .limit(VISITS)
    )
    told = []
    for number, (visit, customer_id) in enumerate(rows):
        data = {
            "visit_id": str(visit.id),
            "pass_id": str(visit.pass_id),
            "customer_id": str(customer_id),
            "store_id": str(visit.store_id),
            "stamps": visit.stamps,
            "points": visit.points,
            "amount_minor": visit.amount_minor,
            "currency": visit.currency,
            "source": visit.source,
        }
        told.append(Told("visit.given", visit.at, data, customer_id, (200,) if number else (410,)))
    return told


async def _log(shop: DemoShop, point: WebhookEndpoint, told: Told) -> None:
    """Write an event and how it was told, as the worker would have."""
    with ids_made_at(told.at):
        event_id, delivery_id = new_id(), new_id()
    own = {"merchant_id": shop.merchant_id}
    data = {"merchant_id": str(shop.merchant_id), **told.data}
    shop.session.add(
        WebhookEvent(
            **own,
            id=event_id,
            type=told.kind,
            key=str(event_id),
            data=data,
            customer_id=told.customer_id,
            at=told.at,
        )  # fmt: skip
    )
    await shop.session.flush()
    last, is_delivered = told.tries[-1], told.tries[-1] == 200
    ended = told.at + _waited(len(told.tries) - 1)
    shop.session.add(
        WebhookDelivery(
            **own,
            id=delivery_id,
            event_id=event_id,
            endpoint_id=point.id,
            status="delivered" if is_delivered else "failed",
            attempts=len(told.tries),
            wanted_at=told.at,
            next_at=ended,
            last_status=last,
            error=_error(last),
            finished_at=ended,
        )  # fmt: skip
    )
    await shop.session.flush()
    for number, status in enumerate(told.tries):
        at = told.at + _waited(number)
        with ids_made_at(at):
            attempt_id = new_id()
        shop.session.add(
            WebhookAttempt(
                **own,
                id=attempt_id,
                delivery_id=delivery_id,
                at=at,
                status=status or None,
                error=_error(status),
                milliseconds=15_000 if not status else shop.random.randrange(70, 260),
                answer=ANSWERS[status],
            )  # fmt: skip
        )
    if is_delivered and (point.reached_at is None or point.reached_at < ended):
        point.reached_at = ended


ANSWERS = {
    0: "",
    200: '{"ok":true}',
    410: "This shop has moved.",
    500: "Internal Server Error",
    503: "Down for maintenance, back in a moment",
}


def _error(status: int) -> str:
    return {0: "timeout", 200: "", 410: "gone"}.get(status, "answer")


def _waited(tries: int) -> timedelta:
    """Return how long after an event it was tried for so many times more, without the spread."""
    return timedelta(seconds=1) + sum(WAITS[:tries], timedelta())
