"""A crowd of mails and a mail server that behaves badly, over real sockets; the hours pass on the test's clock."""

from __future__ import annotations

import email
import random
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import Message
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext, TryAgain
from app.modules.messaging.jobs import send_message
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.public import queue_mail
from app.modules.messaging.smtp import MailTransport, SmtpServer, SmtpTransport
from app.process import Process
from app.utils.id_generator import new_id

CROWD = 24
LATE = timedelta(minutes=5)


class Server:
    """A mail server on a port of its own that can be stopped, started again and told how to behave."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.taken: list[Message] = []
        self.connections = 0
        self.mood = "takes"
        self._dice = random.Random(7)  # noqa: S311 - which mails are refused, the same in every run
        self._controller: Controller | None = None

    def start(self) -> None:
        """Listen."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._controller is not None:
            self._controller.stop(no_assert=True)
        self._controller = None

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Count who comes."""
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse some for good and some for now, or all for now."""
        if self.mood == "refuses_some" and address.startswith("gone"):
            return "550 5.1.1 no such mailbox"
        if self.mood == "refuses_some" and self._dice.random() < 0.5:
            return "451 4.3.0 later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail; or hang up before it is kept, or after."""
        assert isinstance(envelope.content, bytes)
        assert server.transport is not None
        closes = self.mood in {"closes_before", "closes_after"}
        if self.mood != "closes_before":
            self.taken.append(email.message_from_bytes(envelope.content))
        if closes:
            server.transport.abort()
        return "250 OK"


class Post:
    """The outbox with its worker: every mail is tried when the queue would try it."""

    def __init__(self, job: JobContext, clock: FixedClock) -> None:
        self.job, self.clock = job, clock
        self.due: dict[UUID, datetime] = {}

    async def write(self, count: int = CROWD, name: str = "anna") -> None:
        """Queue so many mails."""
        assert self.job.merchant_id is not None
        for number in range(count):
            async with self.job.session() as session:
                message_id = await queue_mail(
                    session,
                    merchant_id=self.job.merchant_id,
                    recipient=f"{name}{number}@domain{number}.example",
                    kind="card_link",
                    locale="en",
                    subject=f"{name} {number}",
                    text="Hello",
                    now=self.clock.now(),
                )
            assert message_id is not None
            self.due[message_id] = self.clock.now()

    async def until(self, end: datetime) -> None:
        """Let the time pass, and try every mail whose turn has come."""
        while self.due:
            message_id, at = min(self.due.items(), key=lambda item: item[1])
            if at >= end:
                break
            if at > self.clock.now():
                self.clock.advance(seconds=(at - self.clock.now()).total_seconds())
            try:
                await send_message(self.job, message_id=message_id)
            except TryAgain as again:
                # As RETRY of the jobs: from ten seconds up; what says when is asked then.
                after = again.after if again.after is not None else timedelta(seconds=60)
                self.due[message_id] = self.clock.now() + max(after, timedelta(seconds=10))
            else:
                del self.due[message_id]
        if self.clock.now() < end:
            self.clock.advance(seconds=(end - self.clock.now()).total_seconds())

    async def standing(self) -> Counter[tuple[str, str | None]]:
        """Count how the mails ended."""
        async with self.job.session() as session:
            rows = await session.scalars(select(OutboxMessage))
            return Counter((row.status, row.failure if row.status != "sent" else None) for row in rows)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def post(process: Process, clock: FixedClock, server: Server) -> Post:
    resources = Resources()
    resources._objects.update(process.resources._objects)
    resources.put(MailTransport, SmtpTransport(SmtpServer("127.0.0.1", server.port, tls="off")))
    job = JobContext(
        process.database, process.settings, clock, process.registry, resources, merchant_id=new_id()
    )
    return Post(job, clock)


def ids(server: Server) -> list[str]:
    return [str(mail["Message-ID"]) for mail in server.taken]


async def test_an_hour_without_a_server_loses_and_doubles_nothing(post: Post, server: Server) -> None:
    """Nobody listens for an hour: a try a minute. Five minutes after it is back every mail is there, once."""
    begun = post.clock.now()
    await post.write()
    await post.until(begun + timedelta(hours=1))
    assert server.taken == []
    assert len(post.due) == CROWD
    server.start()
    await post.until(begun + timedelta(hours=1) + LATE)
    assert len(server.taken) == CROWD
    assert len(set(ids(server))) == CROWD
    assert await post.standing() == {("sent", None): CROWD}


async def test_a_server_that_refuses_some_gets_the_others_once(post: Post, server: Server) -> None:
    """Mailboxes that do not exist are failed at once; what is put off is tried until it is taken."""
    server.start()
    server.mood = "refuses_some"
    await post.write()
    await post.write(4, name="gone")
    await post.until(post.clock.now() + timedelta(hours=2))
    assert sorted(str(mail["Subject"]) for mail in server.taken) == sorted(f"anna {n}" for n in range(CROWD))
    assert await post.standing() == {("sent", None): CROWD, ("failed", "550"): 4}


async def test_a_server_that_closes_before_it_keeps_the_mail_gets_it_again(
    post: Post, server: Server
) -> None:
    """Closed after the text, nothing kept: nothing is lost, and each arrives once when the server is well."""
    server.start()
    server.mood = "closes_before"
    begun = post.clock.now()
    await post.write(6)
    await post.until(begun + timedelta(minutes=10))
    assert (server.taken, len(post.due)) == ([], 6)
    server.mood = "takes"
    await post.until(begun + timedelta(minutes=10) + LATE)
    assert len(ids(server)) == len(set(ids(server))) == 6
    assert await post.standing() == {("sent", None): 6}


async def test_a_mail_kept_without_an_answer_is_sent_again_under_the_same_id(
    post: Post, server: Server
) -> None:
    """The case nobody can decide: kept, then closed before the 250. It goes again, by the same Message-ID and date."""
    server.start()
    server.mood = "closes_after"
    await post.write(1)
    with pytest.raises(TryAgain, match="connection"):
        await send_message(post.job, message_id=next(iter(post.due)))
    server.mood = "takes"
    await post.until(post.clock.now() + timedelta(minutes=10))
    first, second = server.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert await post.standing() == {("sent", None): 1}
