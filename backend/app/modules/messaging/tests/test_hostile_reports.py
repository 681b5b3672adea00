"""Anybody may write to the address for bounces: what comes there is read within limits, or says nothing."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI

from app.modules.messaging.bounces.reports import Report, read_report
from app.utils.id_generator import new_id

MEGABYTE = 900_000
SECONDS_MAX = 5.0  # of the processor; measured 0.7 at most
ID = new_id()
HEAD = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
FEEDBACK = HEAD + b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
DELIVERY = HEAD + b"Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nAction: failed\r\n"
TO_US = f"To: bounces+{ID.hex}@shop.example\r\n".encode()

HOSTILE = {
    "a mail in a mail in a mail": b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
    "parts in parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000)
    ),
    "a hundred thousand parts": HEAD + b"--b\r\n" * 150_000,
    "only headers": b"X: y\r\n" * 150_000 + b"\r\n",
    "forty thousand parameters": b"Content-Type: multipart/report; "
    + b"".join(b"boundary*%d=b; " % n for n in range(40_000))
    + b"\r\n\r\n",
    "broken base64": b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"A" * MEGABYTE,
    "brackets in the address": b"To: +" + b"(" * MEGABYTE + b"\r\n" + FEEDBACK,
    "many addresses": b"".join(b"To: +%d<>,;:(((\r\n" % n for n in range(30_000)) + FEEDBACK,
    "at signs": b"To: +" + b"@" * MEGABYTE + b"\r\n" + FEEDBACK,
    "brackets in the id": FEEDBACK
    + b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: "
    + b"(" * MEGABYTE,
    "an unknown character set": TO_US
    + HEAD
    + b"Content-Type: message/feedback-report; charset=punycode\r\n\r\n\xff\xfe",
    "a type of complaint that is none": TO_US + FEEDBACK.replace(b"abuse", b"not-spam"),
    "a success": TO_US + DELIVERY.replace(b"failed", b"delivered"),
    "somebody else's id": FEEDBACK
    + b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@evil.example>\r\n--b--",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_report_says_nothing_and_takes_no_time(name: str) -> None:
    """None of a megabyte's tricks is a report, none ends the process, none holds it."""
    begun = time.process_time()
    assert read_report(HOSTILE[name]) is None
    assert time.process_time() - begun < SECONDS_MAX


def test_the_control_one_sane_line_makes_a_report() -> None:
    """The control: the same frames with an honest content are reports, so the test above looks at the right place."""
    assert read_report(TO_US + FEEDBACK) == Report("complaint", ID)
    status = TO_US + DELIVERY + b"Status: 5.1.1" + b" junk" * 20_000 + b"\r\n--b--"
    assert read_report(status) == Report("hard", ID, "5.1.1")


@pytest.fixture
def secret(app: FastAPI) -> Iterator[str]:
    before = app.state.settings
    made = "whsec_" + b64encode(new_id().bytes + new_id().bytes).decode()
    app.state.settings = before.model_copy(update={"mail_events_secret": made})
    yield made
    app.state.settings = before


@pytest.mark.parametrize("name", ["a mail in a mail in a mail", "parts in parts", "brackets in the address"])
async def test_a_hostile_report_is_taken_and_forgotten(
    client: httpx2.AsyncClient, secret: str, name: str
) -> None:
    """Over HTTP: 202 and nothing taken, so that the mail server does not try for ever."""
    headers = {"authorization": f"Bearer {secret}", "content-type": "message/rfc822"}
    answer = await client.post("/mail/events", content=HOSTILE[name], headers=headers)
    assert answer.status_code == 202
    assert answer.json() == {"reports": 0, "taken": 0}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 40_000,
        b'{"events": ' + b"[" * 30 + b"]" * 30 + b"}",
        b'{"type": "bounce", "message_id": "' + b"(" * 500_000 + b'"}',
        b'{"events": [' + b",".join([b'{"type":"bounce","message_id":"x"}'] * 1_001) + b"]}",
        b'{"type": "delivered", "message_id": "x"}',
        b"\xff\xfe",
        b"null",
    ],
)
async def test_hostile_events_are_refused(client: httpx2.AsyncClient, secret: str, body: bytes) -> None:
    """Too deep, too long, too many, of no known type: 422."""
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    assert (await client.post("/mail/events", content=body, headers=headers)).status_code == 422
