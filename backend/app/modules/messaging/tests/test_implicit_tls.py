"""Mails over smtps, encrypted from the first byte, against a real server on loopback."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext, TryAgain
from app.modules.messaging.jobs import send_message
from app.modules.messaging.smtp import MailTransport, SmtpServer, SmtpTransport
from app.modules.messaging.tests.smtp_server import certificate_for_loopback, queue, row_of
from app.process import Process
from app.utils.id_generator import new_id

PASSWORD = "right"  # noqa: S105 (of a server that lives for one test)


class Keeper:
    """Takes mails of who signed in, and remembers who tried."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tried: list[tuple[bytes, bytes]] = []

    def sign_in(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        """Let one user in."""
        found = (data.login, data.password)  # type: ignore[attr-defined]
        self.tried.append(found)
        return AuthResult(success=found == (b"user", PASSWORD.encode()), handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep it, if its sender has signed in."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        assert isinstance(envelope.content, bytes)
        self.taken.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def job(process: Process, clock: FixedClock) -> JobContext:
    """Return the context of a job whose transport each test puts in."""
    resources = Resources()
    resources._objects.update(process.resources._objects)  # noqa: SLF001
    return JobContext(
        process.database, process.settings, clock, process.registry, resources, merchant_id=new_id()
    )


@asynccontextmanager
async def listening(keeper: Keeper, context: ssl.SSLContext) -> AsyncIterator[SmtpServer]:
    """Run the server on the test's own loop, on a free port; its connections are closed with it."""
    made: list[SMTP] = []

    def protocol() -> SMTP:
        # aiosmtpd takes only STARTTLS for encryption: told that it need not ask for that, it would warn if it had
        # to ask for a password by itself. The keeper asks.
        made.append(SMTP(keeper, authenticator=keeper.sign_in, auth_require_tls=False))
        return made[-1]

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield SmtpServer("127.0.0.1", port, user="user", password=PASSWORD, implicit=True)
    finally:
        listener.close()
        for one in made:
            if one.transport is not None:
                one.transport.abort()
        await listener.wait_closed()


async def test_a_mail_goes_encrypted_from_the_first_byte(job: JobContext, tmp_path: Path) -> None:
    """With a certificate that is trusted and the right password the mail arrives, once."""
    keeper = Keeper()
    theirs, ours = certificate_for_loopback(tmp_path)
    async with listening(keeper, theirs) as smtps:
        job.resources.put(MailTransport, SmtpTransport(smtps, tls_context=ours))
        message_id = await queue(job)
        await send_message(job, message_id=message_id)
        row = await row_of(job, message_id)
        assert (row.status, row.failure) == ("sent", None)
    assert [mail["Subject"] for mail in keeper.taken] == ["Your card"]
    assert keeper.tried == [(b"user", PASSWORD.encode())]


async def test_a_wrong_password_is_named_and_the_mail_waits(job: JobContext, tmp_path: Path) -> None:
    """535 is about the server's settings: the mail is kept for when they are right."""
    keeper = Keeper()
    theirs, ours = certificate_for_loopback(tmp_path)
    async with listening(keeper, theirs) as smtps:
        wrong = replace(smtps, password="wrong")  # noqa: S106 (of a server that lives for one test)
        job.resources.put(MailTransport, SmtpTransport(wrong, tls_context=ours))
        message_id = await queue(job)
        with pytest.raises(TryAgain, match="535"):
            await send_message(job, message_id=message_id)
        row = await row_of(job, message_id)
        assert (row.status, row.failure) == ("waiting", "535")
    assert keeper.taken == []
    assert keeper.tried


async def test_an_untrusted_certificate_gets_neither_mail_nor_password(
    job: JobContext, tmp_path: Path
) -> None:
    """A certificate that nobody vouches for ends the connection before anything is said; the reason has a name."""
    keeper = Keeper()
    theirs, _ours = certificate_for_loopback(tmp_path)
    async with listening(keeper, theirs) as smtps:
        job.resources.put(MailTransport, SmtpTransport(smtps))
        message_id = await queue(job)
        with pytest.raises(TryAgain, match="certificate"):
            await send_message(job, message_id=message_id)
        row = await row_of(job, message_id)
        assert (row.status, row.failure) == ("waiting", "certificate")
    assert (keeper.taken, keeper.tried) == ([], [])
