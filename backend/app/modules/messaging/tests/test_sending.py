"""Mails against a real SMTP server on loopback: taken, refused, slow, broken, away."""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
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
    SmtpServer,
    SmtpTransport,
    prepare_transport,
)
from app.process import Process
from app.utils.id_generator import new_id

RECIPIENT = "anna@example.com"


class Inbox:
    """A mail server's behaviour: what it answers, and what it was given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.mail_answers: list[str] = []
        self.recipient_answers: list[str] = []
        self.data_answers: list[str] = []
        self.wait = 0.0
        self.is_silent = False
        # Set from the server's thread when it has a mail and will not answer.
        self.has_hung = threading.Event()
        self.hang_up = False

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answers and (answer := self.recipient_answers.pop(0)) != "250":
            return f"{answer} no {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.wait:
            await asyncio.sleep(self.wait)
        if self.is_silent:
            self.has_hung.set()
            # Not a time that a busy machine may pass: the answer never comes, until the server is stopped.
            await asyncio.Event().wait()
        if self.hang_up:
            assert server.transport is not None
            server.transport.close()
            return "250 OK"
        if self.data_answers and (answer := self.data_answers.pop(0)) != "250":
            return f"{answer} about {envelope.rcpt_tos[0]}"
        assert isinstance(envelope.content, bytes)
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[SmtpServer]:
    """Return a mail server that is up, on a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    controller.start()
    yield SmtpServer("127.0.0.1", port, tls="offered")
    controller.stop()


@pytest.fixture
def job(process: Process, clock: FixedClock, server: SmtpServer) -> JobContext:
    """Return a job's job whose mails go to the server of the test."""
    resources = Resources()
    resources._objects.update(process.resources._objects)  # noqa: SLF001
    resources.put(MailTransport, SmtpTransport(server))
    return JobContext(
        database=process.database,
        settings=process.settings,
        clock=clock,
        registry=process.registry,
        resources=resources,
        merchant_id=new_id(),
    )


async def queue(job: JobContext, **over: Any) -> UUID:
    """Queue a mail of the job's merchant and return its id."""
    details = {
        "recipient": RECIPIENT,
        "kind": "card_link",
        "locale": "en",
        "subject": "Your card",
        "text": "Hello\n\nhttps://cards.example/c/1",
        **over,
    }
    assert job.merchant_id is not None
    async with job.session() as session:
        message_id = await queue_mail(session, merchant_id=job.merchant_id, now=job.clock.now(), **details)
    assert message_id is not None
    return message_id


async def row_of(job: JobContext, message_id: UUID) -> OutboxMessage:
    """Return the outbox row as it stands."""
    async with job.session() as session:
        return (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one()


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
    inbox.wait = 0.4
    message_id = await queue(job)

    results = await asyncio.gather(
        *(send_message(job, message_id=message_id) for _ in range(2)), return_exceptions=True
    )

    assert len(inbox.messages) == 1
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "TryAgain"]


async def test_two_workers_without_the_claim_send_twice(
    job: JobContext, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with the claim taken away, the same race sends two mails."""
    monkeypatch.setattr("app.modules.messaging.service.claim_free_at", lambda claimed_at, *, now: None)
    inbox.wait = 0.4
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


@pytest.mark.parametrize("step", ["recipient_answers", "data_answers"])
async def test_4xx_is_tried_again_until_it_is_ok(job: JobContext, inbox: Inbox, step: str) -> None:
    """A busy server is asked again; the mail arrives once."""
    setattr(inbox, step, ["451", "250"])
    message_id = await queue(job)

    with pytest.raises(TryAgain, match="451"):
        await send_message(job, message_id=message_id)
    row = await row_of(job, message_id)
    assert (row.status, row.failure, inbox.messages) == ("waiting", "451", [])

    await send_message(job, message_id=message_id)
    row = await row_of(job, message_id)
    assert (row.status, row.attempts, len(inbox.messages)) == ("sent", 2, 1)


@pytest.mark.parametrize("step", ["recipient_answers", "data_answers"])
async def test_5xx_is_given_up(job: JobContext, inbox: Inbox, step: str) -> None:
    """A refused mail is failed with the code alone; the server's words quote the address."""
    setattr(inbox, step, ["550"])
    message_id = await queue(job)

    await send_message(job, message_id=message_id)
    await send_message(job, message_id=message_id)

    row = await row_of(job, message_id)
    assert (row.status, row.failure, row.attempts) == ("failed", "550", 1)
    assert inbox.messages == []


async def test_a_slow_server_holds_nobody_up(job: JobContext, inbox: Inbox, process: Process) -> None:
    """While a server hangs, no connection to the database is held, and another merchant's mail is sent."""
    inbox.is_silent = True
    message_id = await queue(job)
    hanging = asyncio.create_task(send_message(job, message_id=message_id))
    assert await asyncio.to_thread(inbox.has_hung.wait, 60)

    assert process.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    inbox.is_silent = False
    other = replace(job, merchant_id=new_id())
    other_id = await queue(other)
    await send_message(other, message_id=other_id)
    assert (await row_of(other, other_id)).status == "sent"
    assert (await row_of(job, message_id)).status == "sending"

    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_a_server_that_never_answers_is_left_and_tried_again(
    job: JobContext, inbox: Inbox, server: SmtpServer
) -> None:
    """When the limit is over the mail waits for another try; the server still hangs then."""
    inbox.is_silent = True
    job.resources.put(MailTransport, SmtpTransport(server, send_timeout=0.5))
    message_id = await queue(job)

    with pytest.raises(TryAgain, match="timeout"):
        await send_message(job, message_id=message_id)

    assert (await row_of(job, message_id)).status == "waiting"
    assert inbox.messages == []


async def test_a_server_that_hangs_up_in_the_middle_is_tried_again(job: JobContext, inbox: Inbox) -> None:
    """A connection closed after the text and before the answer leaves the mail waiting."""
    inbox.hang_up = True
    message_id = await queue(job)

    with pytest.raises(TryAgain):
        await send_message(job, message_id=message_id)
    assert (await row_of(job, message_id)).status == "waiting"

    inbox.hang_up = False
    await send_message(job, message_id=message_id)
    assert (await row_of(job, message_id)).status == "sent"


async def test_a_server_that_is_down_is_tried_again(job: JobContext, inbox: Inbox) -> None:
    """Nobody listens: the mail waits."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    job.resources.put(MailTransport, SmtpTransport(SmtpServer("127.0.0.1", port, tls="offered")))
    message_id = await queue(job)

    with pytest.raises(TryAgain, match="connection"):
        await send_message(job, message_id=message_id)

    assert (await row_of(job, message_id)).failure == "connection"


async def test_a_server_without_encryption_gets_nothing(
    job: JobContext, inbox: Inbox, server: SmtpServer
) -> None:
    """Where STARTTLS is required and not offered, neither mail nor password is sent."""
    strict = replace(server, tls="required", user="user", password="secret")
    job.resources.put(MailTransport, SmtpTransport(strict))
    message_id = await queue(job)

    with pytest.raises(TryAgain, match="no_starttls"):
        await send_message(job, message_id=message_id)

    assert inbox.messages == []


async def test_trying_ends_when_the_mail_has_become_useless(
    job: JobContext, inbox: Inbox, clock: FixedClock
) -> None:
    """After two days of 4xx the mail is failed and the job ends."""
    inbox.data_answers = ["451"] * 2
    message_id = await queue(job)
    clock.advance(days=2, seconds=1)

    await send_message(job, message_id=message_id)

    row = await row_of(job, message_id)
    assert (row.status, row.failure) == ("failed", "too_old")


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


def certificate_for_loopback(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with a fresh certificate and of a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail on loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.fixture
def secure(inbox: Inbox, tmp_path: Path) -> Iterator[tuple[SmtpServer, ssl.SSLContext]]:
    """Return a server that takes mail only over STARTTLS and after a sign-in, and whom to trust for it."""

    def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"shop", b"plum"), handled=False)

    server_context, client_context = certificate_for_loopback(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=port,
        tls_context=server_context,
        require_starttls=True,
        auth_required=True,
        authenticator=sign_in,
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.start()
    yield SmtpServer("127.0.0.1", port, user="shop", password="plum", tls="required"), client_context
    controller.stop()


async def test_a_mail_goes_over_starttls_after_signing_in(
    job: JobContext, inbox: Inbox, secure: tuple[SmtpServer, ssl.SSLContext]
) -> None:
    """Encrypted, with the certificate checked, and signed in."""
    server, trust = secure
    job.resources.put(MailTransport, SmtpTransport(server, tls_context=trust))

    await send_message(job, message_id=await queue(job))

    assert len(inbox.messages) == 1


async def test_a_wrong_password_fails_no_mail(
    job: JobContext, inbox: Inbox, secure: tuple[SmtpServer, ssl.SSLContext]
) -> None:
    """The operator's mistake is tried again until it is put right; 535 is not about the message."""
    server, trust = secure
    job.resources.put(MailTransport, SmtpTransport(replace(server, password="wrong"), tls_context=trust))
    message_id = await queue(job)

    with pytest.raises(TryAgain, match="535"):
        await send_message(job, message_id=message_id)

    assert (await row_of(job, message_id)).status == "waiting"
    assert inbox.messages == []


async def test_a_server_that_is_not_trusted_gets_nothing(
    job: JobContext, inbox: Inbox, secure: tuple[SmtpServer, ssl.SSLContext]
) -> None:
    """Somebody else's certificate ends the conversation before the password is said."""
    job.resources.put(MailTransport, SmtpTransport(secure[0]))
    message_id = await queue(job)

    with pytest.raises(TryAgain):
        await send_message(job, message_id=message_id)

    assert inbox.messages == []


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
