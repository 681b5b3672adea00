"""Mails against a real SMTP server on loopback: whole, once, sealed until they go, forgotten after."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.jobs.runner import JobRunner
from app.modules.messaging.jobs import blank_old_content, send_message
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.public import messaging_ready, queue_mail
from app.modules.messaging.smtp import (
    DemoMailbox,
    MailTransport,
    NoTransport,
    SmtpTransport,
    prepare_transport,
)
from app.modules.messaging.tests.smtp_server import RECIPIENT, Inbox, handed_over, queue, row_of
from app.process import Process
from app.utils.id_generator import new_id


async def test_a_queued_mail_arrives_whole(job: JobContext, inbox: Inbox) -> None:
    """Both forms, the subject, the stable id and the date of the fact arrive."""
    message_id = await queue(job, subject="Är Kaart\r\nBcc: x@example.com", locale="lb")

    await send_message(job, message_id=message_id)

    (message,) = inbox.messages
    assert message["To"] == RECIPIENT
    assert message["Bcc"] is None
    assert message["Message-ID"] == f"<{message_id}@localhost>"
    assert message["Date"] == "Fri, 20 Nov 2026 09:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_payload()
    assert "https://cards.example/c/1" in text.get_payload(decode=True).decode()
    assert 'href="https://cards.example/c/1"' in html.get_payload(decode=True).decode()
    row = await row_of(job, message_id)
    assert (row.status, row.attempts, row.failure) == ("sent", 1, None)
    assert row.sent_at == job.clock.now()


async def test_a_sent_mail_is_not_sent_again(job: JobContext, inbox: Inbox) -> None:
    """A job that runs twice sends once."""
    message_id = await queue(job)

    await send_message(job, message_id=message_id)
    await send_message(job, message_id=message_id)

    assert len(inbox.messages) == 1


async def test_two_workers_send_a_mail_once(job: JobContext, inbox: Inbox) -> None:
    """While one worker talks to the server, the other is told to come back."""
    inbox.answers_from = 2
    message_id = await queue(job)
    first = asyncio.create_task(send_message(job, message_id=message_id))
    await handed_over(inbox)

    with pytest.raises(TryAgain):
        await send_message(job, message_id=message_id)
    inbox.answers_from = 1
    await first

    assert len(inbox.messages) == 1


async def test_two_workers_without_the_claim_send_twice(
    job: JobContext, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with the claim taken away, the same race sends two mails."""
    monkeypatch.setattr("app.modules.messaging.service.claim_free_at", lambda claimed_at, *, now: None)
    inbox.answers_from = 2
    message_id = await queue(job)

    await asyncio.gather(*(send_message(job, message_id=message_id) for _ in range(2)))

    assert len(inbox.messages) == 2
    assert inbox.messages[0]["Message-ID"] == inbox.messages[1]["Message-ID"]


async def test_a_dead_workers_mail_is_sent_later(job: JobContext, inbox: Inbox, clock: FixedClock) -> None:
    """A message left in sending is taken over after two minutes, not before."""
    message_id = await queue(job)
    async with job.session() as session:
        row = (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one()
        row.status, row.claimed_at = "sending", clock.now()

    clock.advance(seconds=119)
    with pytest.raises(TryAgain) as waiting:
        await send_message(job, message_id=message_id)
    assert waiting.value.after == timedelta(seconds=1)
    assert inbox.messages == []

    clock.advance(seconds=1)
    await send_message(job, message_id=message_id)
    assert len(inbox.messages) == 1


async def test_one_key_is_one_mail(job: JobContext) -> None:
    """The same once_key queues nothing the second time, for this merchant only."""
    await queue(job, once_key="welcome:1")
    assert job.merchant_id is not None
    async with job.session() as session:
        again = await queue_mail(
            session,
            merchant_id=job.merchant_id,
            recipient=RECIPIENT,
            kind="card_link",
            locale="en",
            subject="x",
            text="x",
            once_key="welcome:1",
            now=job.clock.now(),
        )
    assert again is None
    await queue(replace(job, merchant_id=new_id()), once_key="welcome:1")


async def test_a_rolled_back_fact_sends_nothing(job: JobContext, process: Process) -> None:
    """The mail is queued in the caller's transaction and goes with it."""
    merchant_id = job.merchant_id
    assert merchant_id is not None

    async def fail_after_queueing() -> None:
        async with tenant_scope(process.database, merchant_id) as session:
            await queue_mail(
                session,
                merchant_id=merchant_id,
                recipient=RECIPIENT,
                kind="card_link",
                locale="en",
                subject="x",
                text="x",
                now=job.clock.now(),
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_queueing()
    async with job.session() as session:
        assert (await session.scalars(select(OutboxMessage))).all() == []


async def test_the_content_is_sealed_at_rest(job: JobContext) -> None:
    """What a mail says, and its link, cannot be read from the row."""
    message_id = await queue(job, text="secret words https://cards.example/c/token")

    row = await row_of(job, message_id)

    assert row.content is not None
    assert b"secret" not in row.content
    assert b"token" not in row.content


async def test_old_mails_are_blanked(job: JobContext, clock: FixedClock) -> None:
    """After 30 days the words and the address go; the fact stays. A younger mail keeps both."""
    old = await queue(job)
    clock.advance(days=30)
    young = await queue(job)
    clock.advance(seconds=1)

    await blank_old_content(replace(job, merchant_id=None))

    row = await row_of(job, old)
    assert (row.content, row.recipient, row.kind) == (None, None, "card_link")
    row = await row_of(job, young)
    assert row.content is not None
    assert row.recipient == RECIPIENT


@pytest.mark.parametrize(
    ("demo", "smtp_url", "ready", "kind"),
    [
        (True, "", True, DemoMailbox),
        (True, "smtp://127.0.0.1:2525", True, SmtpTransport),
        (False, "smtp://127.0.0.1:2525", True, SmtpTransport),
        (False, "", False, NoTransport),
    ],
)
def test_where_mail_goes(
    settings: Settings, demo: bool, smtp_url: str, ready: bool, kind: type[MailTransport]
) -> None:
    """A server when there is one, else the demo's mailbox, else nowhere."""
    chosen = settings.model_copy(update={"demo": demo, "smtp_url": smtp_url})
    resources = Resources()
    resources.put(Settings, chosen)

    prepare_transport(resources)

    assert messaging_ready(chosen) is ready
    assert isinstance(resources.get(MailTransport), kind)


async def test_the_worker_finds_the_mail_in_the_queue(process: Process) -> None:
    """What was queued with the fact is sent by the worker, here into the demo's mailbox."""
    merchant_id = new_id()
    async with tenant_scope(process.database, merchant_id) as session:
        message_id = await queue_mail(
            session,
            merchant_id=merchant_id,
            recipient=RECIPIENT,
            kind="sign_up",
            locale="de",
            subject="x",
            text="x",
            now=process.clock.now(),
        )
    runner = JobRunner(
        process.database, process.registry, process.settings, process.clock, resources=process.resources
    )

    await runner.drain()

    async with tenant_scope(process.database, merchant_id) as session:
        row = (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one()
    assert row.status == "sent"
