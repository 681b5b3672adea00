"""Mail servers that refuse, are slow, break off or are away: nothing is lost, and nobody waits for them."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext, TryAgain
from app.modules.messaging.jobs import send_message
from app.modules.messaging.smtp import (
    MailTransport,
    SmtpServer,
    SmtpTransport,
)
from app.modules.messaging.tests.smtp_server import Inbox, queue, row_of
from app.process import Process
from app.utils.id_generator import new_id


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
