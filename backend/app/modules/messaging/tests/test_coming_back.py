"""What comes back: bounces, complaints and the events of mail providers, and whom nothing is sent to then."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from standardwebhooks import Webhook

from app.db.session import tenant_scope
from app.kernel.permissions import Principal
from app.modules.customers.public import confirm_email, get_customer, record_consent
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.bounces.reports import Report, read_report
from app.modules.messaging.bounces.service import count_suppressed, lift_suppression, note_bounce, take_report
from app.modules.messaging.jobs import send_message
from app.modules.messaging.models import MailSuppression
from app.modules.messaging.smtp import MailRefused
from app.modules.messaging.tests.world import Shop
from app.utils.id_generator import new_id

MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def delivery_report(message_id: UUID, *, status: str = "5.1.1", action: str = "failed") -> bytes:
    """Return what a mail server sends back (RFC 3464)."""
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: bounces@shop.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; anna@example.com\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} no\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: <{message_id}@localhost>\r\nSubject: Bonjour\r\n\r\n--b--\r\n"
    ).encode()


def complaint_report(message_id: UUID) -> bytes:
    """Return what a mailbox provider sends when somebody presses "spam" (RFC 5965)."""
    return (
        "From: fbl@provider.example\r\nTo: abuse@shop.example\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nComplaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"Message-ID: <{message_id}@localhost>\r\nSubject: x\r\n\r\nHi\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("status", "action", "kind"),
    [
        ("5.1.1", "failed", "hard"),
        ("5.2.2", "failed", "soft"),
        ("4.4.1", "failed", "soft"),
        ("4.4.1", "delayed", None),
    ],
)
def test_a_delivery_report_is_read(status: str, action: str, kind: str | None) -> None:
    """No such mailbox is hard, a full one is soft, a delay is nothing yet."""
    message_id = new_id()
    report = read_report(delivery_report(message_id, status=status, action=action))
    assert report == (Report(kind, message_id, status) if kind else None)


def test_the_bounce_address_names_the_message() -> None:
    """Where nothing of the mail is given back, the address that the report came to says which it was."""
    message_id = new_id()
    bare = delivery_report(message_id).replace(b"Message-ID", b"X-Other")
    assert read_report(bare) is None
    found = read_report(bare, envelope_to=f"bounces+{message_id.hex}@shop.example")
    assert found == Report("hard", message_id, "5.1.1")


@pytest.mark.parametrize(
    "junk", [b"", b"\xff\x00", b"Subject: hi\r\n\r\nhello", b"Content-Type: message/delivery-status\r\n\r\n"]
)
def test_what_is_no_report_says_nothing(junk: bytes) -> None:
    """An answer from a holiday, a stranger's mail, rubbish."""
    assert read_report(junk) is None


async def test_a_hard_bounce_keeps_marketing_back_and_service_mail_not(shop: Shop) -> None:
    """The next promotion is suppressed; a card link that somebody asks for still goes."""
    first = await shop.queue()
    assert await shop.send(first) is None
    assert await take_report(shop.database, Report("hard", first, "5.1.1"), now=shop.clock.now())
    assert await shop.standing(first) == ("bounced", "5.1.1")
    second, asked = await shop.queue(), await shop.queue(purpose="service")
    await shop.send(second)
    await send_message(shop.job, message_id=asked)
    assert await shop.standing(second) == ("suppressed", "bounced")
    assert await shop.standing(asked) == ("sent", None)


async def test_five_soft_bounces_keep_an_address_back(shop: Shop) -> None:
    """Four do not; the same report twice counts once."""
    for number in range(5):
        message_id = await shop.queue(number=number)
        await shop.send(message_id)
        assert (await shop.standing(message_id))[0] == "sent", number
        report = Report("soft", message_id, "5.2.2")
        assert await take_report(shop.database, report, now=shop.clock.now())
        assert not await take_report(shop.database, report, now=shop.clock.now())
    last = await shop.queue()
    await shop.send(last)
    assert await shop.standing(last) == ("suppressed", "bounced")


async def test_a_refused_recipient_is_a_bounce(shop: Shop) -> None:
    """5.1.1 in the conversation itself keeps the address back; 5.7.1 is about us and does not."""
    shop.server.answer = MailRefused("550", status="5.7.1")
    await shop.send(await shop.queue())
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await count_suppressed(session, shop.merchant.id) == {}
    shop.server.answer = MailRefused("550", status="5.1.1")
    await shop.send(await shop.queue())
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await count_suppressed(session, shop.merchant.id) == {"bounced": 1}


async def test_a_complaint_withdraws_the_consent_until_it_is_given_anew(shop: Shop) -> None:
    """Nothing is sent after a complaint; the shop cannot lift it; agreeing anew, and confirming it, does."""
    first = await shop.queue()
    await shop.send(first)
    report = read_report(complaint_report(first))
    assert report == Report("complaint", first)
    shop.clock.advance(seconds=1)
    assert await take_report(shop.database, report, now=shop.clock.now())
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert not (await get_customer(session, shop.merchant.id, shop.customer.id)).email_consent
        refusal = await lift_suppression(
            session, owner, address=shop.customer.email.upper(), now=shop.clock.now()
        )
    assert refusal is not None
    assert refusal.code == "complained"
    kept = await shop.queue()
    await shop.send(kept)
    assert await shop.standing(kept) == ("suppressed", "no_consent")
    shop.clock.advance(seconds=1)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await record_consent(
            session, shop.merchant.id, shop.customer.id, given=True, source="test", now=shop.clock.now()
        )
    unconfirmed = await shop.queue()
    await shop.send(unconfirmed)
    assert await shop.standing(unconfirmed) == ("suppressed", "not_confirmed")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await confirm_email(session, shop.merchant.id, shop.customer.id, now=shop.clock.now())
    again = await shop.queue()
    await shop.send(again)
    assert await shop.standing(again) == ("sent", None)


async def test_the_shop_lifts_a_bounce_on_its_page(shop: Shop, client: httpx2.AsyncClient) -> None:
    """The page counts; lifting by the address lets the next mail go; another shop's owner changes nothing."""
    import re

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await note_bounce(session, shop.merchant.id, shop.customer.email, is_hard=True, now=MORNING)
    for merchant, left in ((await make_merchant(shop.database), 1), (shop.merchant, 0)):
        client.cookies.clear()
        client.cookies.update(merchant.cookies)
        page = await client.get("/dashboard/messages/addresses")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert token is not None
        form = {"csrf": token.group(1), "address": shop.customer.email}
        assert (await client.post("/dashboard/messages/addresses/lift", data=form)).status_code == 303
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            assert len((await session.scalars(select(MailSuppression))).all()) == left


async def test_a_suppression_holds_no_address(shop: Shop) -> None:
    """Only a keyed hash is kept; it differs from shop to shop."""
    other = await make_merchant(shop.database)
    for merchant_id in (shop.merchant.id, other.id):
        async with tenant_scope(shop.database, merchant_id) as session:
            await note_bounce(session, merchant_id, shop.customer.email, is_hard=True, now=MORNING)
    macs = set()
    for merchant_id in (shop.merchant.id, other.id):
        async with tenant_scope(shop.database, merchant_id) as session:
            macs |= {row.address_mac for row in await session.scalars(select(MailSuppression))}
    assert {len(mac) for mac in macs} == {32}
    assert len(macs) == 2


@pytest.fixture
def secret(app: FastAPI) -> Iterator[str]:
    """Give the installation a secret for POST /mail/events, made for this test."""
    before = app.state.settings
    made = "whsec_" + b64encode(new_id().bytes + new_id().bytes).decode()
    app.state.settings = before.model_copy(update={"mail_events_secret": made})
    yield made
    app.state.settings = before


async def test_events_come_by_a_signed_webhook(shop: Shop, client: httpx2.AsyncClient, secret: str) -> None:
    """A signature of Standard Webhooks is taken; a wrong, an old and a missing one change nothing."""
    message_id = await shop.queue()
    await shop.send(message_id)
    body = json.dumps({"type": "bounce", "message_id": f"<{message_id}@localhost>", "status": "5.1.1"})
    moment = shop.clock.now()
    good = Webhook(secret).sign("msg_1", moment, body)

    async def post(signature: str, at: datetime) -> int:
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp()))}
        headers |= {"webhook-signature": signature, "content-type": "application/json"}
        return (await client.post("/mail/events", content=body, headers=headers)).status_code

    assert await post("v1,AAAA", moment) == 401
    assert await post("", moment) == 401
    old = moment - timedelta(minutes=6)
    assert await post(Webhook(secret).sign("msg_1", old, body), old) == 401
    assert await shop.standing(message_id) == ("sent", None)
    assert await post(good, moment) == 202
    assert await shop.standing(message_id) == ("bounced", "5.1.1")


async def test_a_raw_report_comes_by_bearer(shop: Shop, client: httpx2.AsyncClient, secret: str) -> None:
    """What a mail server pipes in is read; rubbish is taken and says nothing."""
    message_id = await shop.queue()
    await shop.send(message_id)
    headers = {"authorization": f"Bearer {secret}", "content-type": "message/rfc822"}
    junk = await client.post("/mail/events", content=b"hello", headers=headers)
    assert junk.json() == {"reports": 0, "taken": 0}
    answer = await client.post("/mail/events", content=complaint_report(message_id), headers=headers)
    assert answer.json() == {"reports": 1, "taken": 1}
    assert (await shop.standing(message_id))[0] == "complained"


async def test_without_a_secret_there_are_no_events(client: httpx2.AsyncClient) -> None:
    """An installation that set none answers 404, also to an empty bearer."""
    answer = await client.post("/mail/events", content=b"{}", headers={"authorization": "Bearer "})
    assert answer.status_code == 404
