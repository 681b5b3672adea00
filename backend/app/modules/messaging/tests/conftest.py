"""A mail server on loopback, plain or encrypted, a job that sends to it, and a shop whose server is none."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.modules.customers.factories import make_customer
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.smtp import (
    MailTransport,
    SmtpServer,
    SmtpTransport,
)
from app.modules.messaging.tests.smtp_server import Inbox, certificate_for_loopback
from app.modules.messaging.tests.world import Shop
from app.process import Process
from app.utils.id_generator import new_id


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


@pytest.fixture
async def shop(process: Process, clock: FixedClock) -> AsyncIterator[Shop]:
    """Return a shop and a customer who agreed; what it set of the operator's settings is put back."""
    merchant = await make_merchant(process.database)
    email = f"anna-{new_id().hex}@example.com"
    customer = await make_customer(process.database, merchant, email=email, email_consent=True, verified=True)
    yield Shop(process, clock, merchant, customer)
    process.resources.put(Settings, process.settings)
