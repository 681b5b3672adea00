"""A real SMTP server on loopback that takes every mail of the installation, for the test that waits for it."""

from __future__ import annotations

import email
import re
import socket
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default as modern
from threading import Condition

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MAIL_SECONDS_MAX = 20.0
_ADDRESS = re.compile(r"^(http\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Letter:
    """A mail as it came over the wire. sender, recipients: of the envelope; raw: the bytes."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def mail(self) -> EmailMessage:
        """Return it as a mail programme reads it."""
        message = email.message_from_bytes(self.raw, policy=modern)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def subject(self) -> str:
        """Return the subject."""
        return str(self.mail["Subject"])

    @property
    def text(self) -> str:
        """Return the plain text."""
        body = self.mail.get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    @property
    def html(self) -> str:
        """Return the other half."""
        body = self.mail.get_body(("html",))
        assert body is not None
        return str(body.get_content())

    @property
    def links(self) -> list[str]:
        """Return the addresses that stand alone on a line of the text."""
        return _ADDRESS.findall(self.text)


@dataclass
class PostOffice:
    """What has come in, by the recipient of the envelope."""

    letters: list[Letter] = field(default_factory=list)
    arrived: Condition = field(default_factory=Condition)
    port: int = 0

    @property
    def url(self) -> str:
        """Return what STEMPEL_SMTP_URL says."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        letter = Letter(str(envelope.mail_from), tuple(envelope.rcpt_tos), envelope.content)
        with self.arrived:
            self.letters.append(letter)
            self.arrived.notify_all()
        return "250 OK"

    def to(self, address: str) -> list[Letter]:
        """Return what came to an address so far."""
        return [one for one in self.letters if address in one.recipients]

    def wait_for(self, address: str, *, subject: str, after: int) -> int:
        """Return the place (from 1) of the first mail to an address with this subject, behind a place; waits for it."""
        give_up_at = time.monotonic() + MAIL_SECONDS_MAX
        with self.arrived:
            while True:
                subjects = [letter.subject for letter in self.to(address)]
                for place, found in enumerate(subjects[after:], start=after + 1):
                    if found.startswith(subject):
                        return place
                left = give_up_at - time.monotonic()
                assert left > 0, f"{address} has {subjects}, not {subject}"
                self.arrived.wait(left)


def open_post_office() -> tuple[PostOffice, Controller]:
    """Open one on a free port; the caller stops the controller."""
    office = PostOffice()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        office.port = int(probe.getsockname()[1])
    controller = Controller(office, hostname="127.0.0.1", port=office.port, enable_SMTPUTF8=True)
    controller.start()
    return office, controller
