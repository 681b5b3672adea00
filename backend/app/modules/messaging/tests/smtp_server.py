"""A mail server on loopback that does as a test tells it, and mails queued for it."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from app.kernel.jobs import JobContext
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.public import queue_mail
from tests.waiting import WAIT_SECONDS_MAX

RECIPIENT = "anna@example.com"


class Inbox:
    """A mail server's behaviour: what it answers, and what it was given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.mail_answers: list[str] = []
        self.recipient_answers: list[str] = []
        self.data_answers: list[str] = []
        # It answers a mail once so many were handed over; a test that races two senders holds the first by it.
        self.handed_over, self.answers_from = 0, 0
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
        self.handed_over += 1
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.handed_over < self.answers_from:
                await asyncio.sleep(0.01)
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


async def handed_over(inbox: Inbox) -> None:
    """Wait until the server has a mail in hand."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not inbox.handed_over:
            await asyncio.sleep(0.01)


async def row_of(job: JobContext, message_id: UUID) -> OutboxMessage:
    """Return the outbox row as it stands."""
    async with job.session() as session:
        return (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one()


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
