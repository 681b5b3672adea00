"""What goes over the wire: encrypted, to a server that is trusted, after signing in."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from app.kernel.jobs import JobContext, TryAgain
from app.modules.messaging.jobs import send_message
from app.modules.messaging.smtp import (
    MailTransport,
    SmtpServer,
    SmtpTransport,
)
from app.modules.messaging.tests.smtp_server import Inbox, queue, row_of


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
