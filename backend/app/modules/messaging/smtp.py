"""Sends a mail over SMTP, or keeps it for the demo mailbox; says only whether to try again."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.tracing.spans import Value, outgoing
from app.modules.messaging.rules import enhanced_status, is_refusal

COMMAND_TIMEOUT_SECONDS = 10.0
SEND_TIMEOUT_SECONDS = 40.0
SERVICE_CLOSING = 421
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TLS_MODES = frozenset({"required", "offered", "off"})


class MailRefused(Exception):
    """The server will never take this message. code: its three digits. status: its enhanced code, if it said one."""

    def __init__(self, code: str, *, status: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class MailDelayed(Exception):
    """The server did not take the message this time. code: its three digits, or one word of ours.

    about_server: it would have been the same with any other message.
    """

    def __init__(self, code: str, *, about_server: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.about_server = about_server


class MailTransport(Protocol):
    """Anything that brings a mail to its reader."""

    @property
    def server(self) -> str:
        """Name the server whose pace and outages count for all workers; empty where there is none."""
        ...

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Hand the message over; raises MailRefused or MailDelayed."""
        ...


class DemoMailbox:
    """Takes every mail; the demo's mailbox page shows them from the outbox, where they stay sealed."""

    server = ""

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Do nothing: the outbox row is the mailbox."""


class NoTransport:
    """There is no way to send mail in this installation."""

    server = ""

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Refuse to send until the operator has set a server."""
        raise MailDelayed("no_transport")


@dataclass(frozen=True)
class SmtpServer:
    """Where to send. tls: required, offered (used where the server has it) or off; implicit: smtps."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: str = "required"
    implicit: bool = False

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """Read smtp://user:password@host:587 or smtps://host:465; `?tls=offered|off` weakens on purpose.

        On the loopback interface encryption is only used where it is offered. Raises ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError(
                "STEMPEL_SMTP_URL must look like smtp://user:password@host:587 or smtps://host:465"
            )
        implicit = parts.scheme == "smtps"
        tls = parse_qs(parts.query).get("tls", ["offered" if parts.hostname in LOOPBACK else "required"])[0]
        if tls not in TLS_MODES:
            raise ValueError("tls in STEMPEL_SMTP_URL is one of required, offered, off")
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if implicit else 587),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=tls,
            implicit=implicit,
        )


class SmtpTransport:
    """One connection a message: service mails are few, and a kept connection dies at the worst moment."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        tls_context: ssl.SSLContext | None = None,
        command_timeout: float = COMMAND_TIMEOUT_SECONDS,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        self._server = server
        self._tls_context = tls_context
        self._command_timeout = command_timeout
        self._send_timeout = send_timeout

    @property
    def server(self) -> str:
        """Name the server by its address."""
        return f"{self._server.host}:{self._server.port}"

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Hand the message to the server; raises MailRefused or MailDelayed."""
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.implicit,
            start_tls=False,
            timeout=self._command_timeout,
            tls_context=self._context(),
        )
        place: dict[str, Value] = {"server.address": self._server.host, "server.port": self._server.port}
        try:
            with outgoing("SMTP", place):
                async with asyncio.timeout(self._send_timeout):
                    await self._open(client)
                    await self._hand_over(client, message, sender=sender, recipient=recipient)
        except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
            raise MailDelayed("timeout", about_server=True) from error
        except aiosmtplib.SMTPResponseException as error:
            raise MailDelayed(f"{error.code:03d}", about_server=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            code = "certificate" if is_untrusted(error) else "connection"
            raise MailDelayed(code, about_server=True) from error
        finally:
            client.close()

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            self._tls_context = ssl.create_default_context()
        return self._tls_context

    async def _open(self, client: aiosmtplib.SMTP) -> None:
        # A refusal up to here is about the server's settings, never about this message: it is tried again.
        await client.connect()
        await client.ehlo()
        if not self._server.implicit and self._server.tls != "off":
            if client.supports_extension("starttls"):
                await client.starttls(tls_context=self._context())
                await client.ehlo()
            elif self._server.tls == "required":
                raise MailDelayed("no_starttls", about_server=True)
        if self._server.user:
            await client.login(self._server.user, self._server.password)

    async def _hand_over(
        self, client: aiosmtplib.SMTP, message: bytes, *, sender: str, recipient: str
    ) -> None:
        options = ["BODY=8BITMIME"] if client.supports_extension("8bitmime") else []
        if not (recipient.isascii() and sender.isascii()):
            if not client.supports_extension("smtputf8"):
                raise MailRefused("smtputf8")
            options.append("SMTPUTF8")
        try:
            await client.sendmail(sender, [recipient], message, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused: aiosmtplib.SMTPResponseException = error.recipients[0]
        except aiosmtplib.SMTPResponseException as error:
            refused = error
        else:
            return
        code, status = f"{refused.code:03d}", enhanced_status(refused.message)
        if is_refusal(refused.code):
            raise MailRefused(code, status=status)
        # 421: the service is closing the channel, whatever the message (RFC 5321, section 4.2.2).
        raise MailDelayed(code, about_server=refused.code == SERVICE_CLOSING)


def is_untrusted(error: BaseException | None) -> bool:
    """Tell whether a connection failed because nobody we trust vouches for the server's certificate."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def to_address(text: str, *, name: str = "") -> Address:
    """Return an address for a header, with the domain as ASCII; raises ValueError for what is none."""
    local, at, domain = parseaddr(text)[1].rpartition("@")
    # The header classes would decode an encoded word, and write whatever is in it.
    if not at or not local or "=?" in local:
        raise ValueError("not an e-mail address")
    return Address(display_name=name, username=local, domain=domain.encode("idna").decode())


def prepare_transport(resources: Resources) -> None:
    """Put the process's mail transport in place; a wrong STEMPEL_SMTP_URL ends the start."""
    settings = resources.get(Settings)
    transport: MailTransport = NoTransport()
    if settings.smtp_url:
        transport = SmtpTransport(SmtpServer.from_url(settings.smtp_url))
    elif settings.demo:
        transport = DemoMailbox()
    resources.put(MailTransport, transport)  # type: ignore[type-abstract]
