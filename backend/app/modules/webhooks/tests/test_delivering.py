"""Deliveries to a real receiver over TLS: signed, once, tried again, given up, sent again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from app.db.session import tenant_scope
from app.kernel.outgoing.client import Fetched, OutgoingClient
from app.modules.webhooks.deliveries import forget_old, redeliver, send_test
from app.modules.webhooks.endpoints import rotate_secret, switch_endpoint, write_secret
from app.modules.webhooks.models import WebhookEndpoint
from app.modules.webhooks.sending.jobs import send
from app.modules.webhooks.sending.turns import send_due
from app.modules.webhooks.tests.conftest import Shop

pytestmark = pytest.mark.usefixtures("clock_at_start")


async def test_a_visit_is_told_once_and_signed(shop: Shop) -> None:
    """The standard's own verifier takes the signature; the body names the visit, and nobody."""
    card = await shop.card()
    await shop.work()
    shop.receiver.came.clear()
    visit_id = await shop.stamp(card)
    await shop.work()
    await shop.work()

    ((headers, body),) = shop.receiver.came
    told = Webhook(shop.secret).verify(body, headers)
    assert (told["type"], told["version"]) == ("visit.given", 1)
    assert told["id"] == headers["webhook-id"]
    assert told["data"] == {
        "merchant_id": str(shop.merchant.id),
        "visit_id": visit_id,
        "pass_id": str(card.id),
        "customer_id": str(card.customer_id),
        "store_id": str(shop.store.id),
        "stamps": 1,
        "points": 0,
        "amount_minor": None,
        "currency": "EUR",
        "source": "customer_phone",
    }
    assert b"Ana" not in body
    assert b"example.com" not in body
    line = (await shop.deliveries())[-1]
    assert (line.status, line.attempts, line.last_status, line.error) == ("delivered", 1, 200, "")
    assert [(one.status, one.answer) for one in await shop.tries()][-1] == (200, "thanks")


async def test_a_changed_body_or_another_secret_does_not_verify(shop: Shop) -> None:
    """The control of the signature."""
    await shop.card()
    await shop.work()
    headers, body = shop.receiver.came[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(shop.secret).verify(body.replace(b"card.joined", b"card.merged"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)


async def _two_workers(shop: Shop, *, guarded: bool) -> int:
    """Let two workers meet over one event: the second begins while the receiver still thinks about the first."""
    await shop.card()
    both_there = asyncio.Event()
    waiting = 0

    async def meet() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 2:
            both_there.set()
        elif guarded:
            await send(shop.context(), endpoint_id=shop.endpoint_id)
        else:
            await asyncio.wait_for(both_there.wait(), 10)

    shop.receiver.meanwhile = meet
    if guarded:
        await send(shop.context(), endpoint_id=shop.endpoint_id)
    else:
        await asyncio.gather(*(send_due(shop.context(), shop.endpoint_id) for _worker in range(2)))
    return len(shop.receiver.came)


async def test_two_workers_send_an_event_once(shop: Shop) -> None:
    """An address is one worker's at a time."""
    assert await _two_workers(shop, guarded=True) == 1


async def test_without_the_guard_two_workers_send_it_twice(shop: Shop) -> None:
    """The control: the same work without taking the address first."""
    assert await _two_workers(shop, guarded=False) == 2


async def test_a_worker_that_died_lets_go_of_the_address(shop: Shop) -> None:
    """After the lease another worker sends what the first took and never sent."""
    await shop.card()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        point = await session.get(WebhookEndpoint, (shop.merchant.id, shop.endpoint_id))
        assert point is not None
        point.sending_until = shop.clock.at + timedelta(minutes=3)
    await shop.work()
    assert shop.receiver.came == []
    await shop.later(minutes=3)
    assert len(shop.receiver.came) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(500, "answer"), (404, "answer"), (302, "redirect"), (429, "answer")]
)
async def test_an_error_is_tried_again_later(shop: Shop, status: int, error: str) -> None:
    """Not followed, not repeated at once; with the next try the same event has the same id."""
    shop.receiver.status, shop.receiver.headers = status, (f"Location: https://{shop.merchant.id}.example/",)
    await shop.card()
    await shop.work()
    await shop.work()
    (line,) = await shop.deliveries()
    assert (line.status, line.error, line.last_status, line.attempts) == ("waiting", error, status, 1)
    assert timedelta(seconds=4) <= line.next_at - shop.clock.at <= timedelta(seconds=6)

    shop.receiver.status, shop.receiver.headers = 200, ()
    await shop.later(seconds=7)
    first, second = shop.receiver.came
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[1] == second[1]
    (line,) = await shop.deliveries()
    assert (line.status, line.error, line.attempts) == ("delivered", "", 2)


async def test_a_wish_to_wait_is_kept_for_the_whole_address(shop: Shop) -> None:
    """429 with Retry-After holds back what happens meanwhile, too."""
    shop.receiver.status, shop.receiver.headers = 429, ("Retry-After: 600",)
    await shop.card()
    await shop.work()
    shop.receiver.status, shop.receiver.headers = 200, ()
    await shop.card()
    await shop.later(seconds=590)
    assert len(shop.receiver.came) == 1
    await shop.later(seconds=15)
    assert [line.status for line in await shop.deliveries()] == ["delivered", "delivered"]


@pytest.mark.parametrize("refused", [0, 1])
async def test_a_wish_to_wait_is_kept_although_the_other_of_a_pair_arrives(shop: Shop, refused: int) -> None:
    """Whichever of the two is answered with 429, nothing more is sent to the address for so long."""
    for _person in range(3):
        await shop.card()
    pair = [str(line.event_id) for line in (await shop.deliveries())[:2]]

    async def answer() -> None:
        is_refused = shop.receiver.came[-1][0]["webhook-id"] == pair[refused]
        shop.receiver.status = 429 if is_refused else 200
        shop.receiver.headers = ("Retry-After: 600",) if is_refused else ()

    shop.receiver.meanwhile = answer
    await shop.work()
    row = await shop.row()
    assert (row.failures, row.retry_at) == (1, shop.clock.at + timedelta(minutes=10))
    await shop.later(seconds=590)
    assert len(shop.receiver.came) == 2


async def test_a_try_that_breaks_counts_as_failed_and_keeps_nothing_from_the_other(shop: Shop) -> None:
    """Whatever the client raises is noted at the delivery; the other of the pair has arrived."""
    for _person in range(2):
        await shop.card()
    broken, _other = await shop.deliveries()
    usual = shop.process.resources.get(OutgoingClient)

    class Breaking:
        async def fetch(self, method: str, url: str, **options: Any) -> Fetched:
            if options["headers"]["webhook-id"] == str(broken.event_id):
                raise OverflowError("nobody thought of this")
            return await usual.fetch(method, url, **options)

    shop.process.resources.put(OutgoingClient, Breaking())
    try:
        await shop.work()
    finally:
        shop.process.resources.put(OutgoingClient, usual)
    first, second = await shop.deliveries()
    assert (first.status, first.error, first.attempts) == ("waiting", "unreachable", 1)
    assert (second.status, second.error, second.attempts) == ("delivered", "", 1)


async def test_410_switches_the_address_off_and_says_so(shop: Shop) -> None:
    """At once, with a mail to the owner; what happens afterwards is not written down."""
    shop.receiver.status = 410
    await shop.card()
    await shop.work()
    row = await shop.row()
    assert (row.is_on, row.off_reason) == (False, "gone")
    assert [(line.status, line.error) for line in await shop.deliveries()] == [("failed", "gone")]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        kinds = (await session.execute(text("SELECT kind FROM outbox_message"))).scalars().all()
        by = await session.execute(
            text("SELECT actor_kind, facts->>'reason' FROM audit_entry WHERE action = 'webhook.switched_off'")
        )
        assert kinds.count("webhook_off") == 1
        assert [tuple(line) for line in by] == [("system", "gone")]
    await shop.card()
    assert len(await shop.deliveries()) == 1


async def test_a_receiver_that_hangs_is_left_after_the_time(shop: Shop) -> None:
    """The time that a delivery may take is a deadline of the whole request."""
    shop.receiver.hangs, shop.receiver.patience = True, timedelta(seconds=0.3)
    await shop.card()
    await shop.work()
    (line,) = await shop.deliveries()
    assert (line.status, line.error, line.last_status) == ("waiting", "timeout", None)
    assert (await shop.tries())[0].milliseconds >= 290
    assert shop.receiver.asked_for == [timedelta(seconds=15)]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_inside_is_never_connected_to(shop: Shop, address: str) -> None:
    """Looked up with each delivery: what was public yesterday may lead inside today."""
    shop.receiver.resolved = address
    await shop.card()
    await shop.work()
    assert shop.receiver.came == []
    (line,) = await shop.deliveries()
    assert (line.status, line.error) == ("waiting", "address")


async def test_a_dead_address_gets_one_probe_and_then_everything(shop: Shop) -> None:
    """After three failures one event tries for all; the first that arrives lets the others go."""
    shop.receiver.status = 500
    for _person in range(6):
        await shop.card()
    await shop.work()
    assert 3 <= len(shop.receiver.came) <= 4
    tried = len(shop.receiver.came)
    await shop.later(minutes=3)
    assert len(shop.receiver.came) == tried + 1

    shop.receiver.status = 200
    await shop.later(minutes=5)
    assert {line.status for line in await shop.deliveries()} == {"delivered"}
    assert len(shop.receiver.came) == tried + 1 + 6
    row = await shop.row()
    assert (row.failures, row.failing_since, row.retry_at) == (0, None, None)


async def test_after_three_days_it_is_given_up(shop: Shop) -> None:
    """The line says so, and the address is still on: others may do better."""
    shop.receiver.status = 500
    await shop.card()
    for _hour in range(30):
        await shop.later(hours=3)
    (line,) = await shop.deliveries()
    assert (line.status, line.error in {"late", "answer"}) == ("failed", True)
    assert 6 <= line.attempts <= 12
    assert (await shop.row()).is_on


async def test_after_five_days_of_nothing_but_failures_it_is_switched_off(shop: Shop) -> None:
    """With one mail; switched on again it begins anew."""
    shop.receiver.status = 500
    for _day in range(7):
        await shop.card()
        await shop.later(days=1)
    row = await shop.row()
    assert (row.is_on, row.off_reason) == (False, "failing")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        mails = (
            await session.execute(text("SELECT count(*) FROM outbox_message WHERE kind = 'webhook_off'"))
        ).scalar()
        assert mails == 1
        assert (
            await redeliver(session, shop.owner, shop.endpoint_id, delivery_id=None, now=shop.clock.at) != 0
        )
        again = await switch_endpoint(session, shop.owner, shop.endpoint_id, is_on=True, now=shop.clock.at)
        assert (again.is_on, again.off_reason, again.failures) == (True, "", 0)


async def test_both_secrets_sign_for_a_day(shop: Shop) -> None:
    """After it, the new one only, and the old one is forgotten."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = await rotate_secret(session, shop.owner, shop.endpoint_id, now=shop.clock.at)
        fresh = write_secret(session, row, now=shop.clock.at)
    assert fresh != shop.secret
    await shop.card()
    await shop.work()
    headers, body = shop.receiver.came[0]
    assert Webhook(shop.secret).verify(body, headers) == Webhook(fresh).verify(body, headers)
    assert len(headers["webhook-signature"].split(" ")) == 2

    shop.clock.at += timedelta(days=1)
    await shop.card()
    await shop.work()
    headers, body = shop.receiver.came[-1]
    assert len(headers["webhook-signature"].split(" ")) == 1
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await forget_old(session, shop.merchant.id, now=shop.clock.at)
    assert (await shop.row()).sealed_before is None


async def test_one_or_all_failed_are_sent_again(shop: Shop) -> None:
    """With the ids of the events; what had arrived is not sent with all failed."""
    await shop.card()
    await shop.work()
    shop.receiver.status = 500
    for _person in range(2):
        await shop.card()
    for _hour in range(30):
        await shop.later(hours=3)
    arrived, first, second = await shop.deliveries()
    assert (arrived.status, first.status, second.status) == ("delivered", "failed", "failed")
    shop.receiver.status = 200
    shop.receiver.came.clear()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (
            await redeliver(session, shop.owner, shop.endpoint_id, delivery_id=None, now=shop.clock.at) == 2
        )
    await shop.work()
    sent = {headers["webhook-id"] for headers, _body in shop.receiver.came}
    assert sent == {str(first.event_id), str(second.event_id)}

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        asked = {"delivery_id": arrived.id, "now": shop.clock.at}
        assert await redeliver(session, shop.owner, shop.endpoint_id, **asked) == 1
    await shop.work()
    assert shop.receiver.came[-1][0]["webhook-id"] == str(arrived.event_id)
    assert {line.status for line in await shop.deliveries()} == {"delivered"}


async def test_a_test_goes_to_the_one_address(shop: Shop) -> None:
    """Whatever it has chosen."""
    await shop.endpoint("card.joined")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await send_test(session, shop.owner, shop.endpoint_id, now=shop.clock.at)
    await shop.work()
    ((_headers, body),) = shop.receiver.came
    assert json.loads(body)["type"] == "webhook.test"


async def test_a_feature_switched_off_ends_what_waits(shop: Shop) -> None:
    """Nothing is sent, nothing is written down, and nothing is lost from the log."""
    await shop.card()
    await shop.switch(is_on=False)
    await shop.work()
    await shop.card()
    assert shop.receiver.came == []
    assert [(line.status, line.error) for line in await shop.deliveries()] == [("failed", "off")]


async def test_the_log_is_forgotten_after_its_time(shop: Shop) -> None:
    """Events, deliveries and tries go after thirty days; what still waits stays."""
    await shop.card()
    await shop.work()
    shop.clock.at += timedelta(days=31)
    await shop.card()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await forget_old(session, shop.merchant.id, now=shop.clock.at) == 1
    assert [line.status for line in await shop.deliveries()] == ["waiting"]
    assert await shop.tries() == []
