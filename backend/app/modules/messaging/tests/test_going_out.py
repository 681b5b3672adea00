"""How mail goes out: one click to end it, signed, at each domain's pace, within limits, and after an outage."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.db.session import Database
from app.modules.messaging.jobs import send_message
from app.modules.messaging.smtp import MailDelayed
from app.modules.messaging.tests.world import Shop


async def test_marketing_mail_can_be_ended_by_one_click(shop: Shop) -> None:
    """RFC 8058 headers with an address of ours, the same way in both forms; service mail has none."""
    await shop.send(await shop.queue())
    await send_message(shop.job, message_id=await shop.queue(purpose="service"))
    news, service = (message_from_bytes(content) for _sender, content in shop.server.mails)
    url = news["List-Unsubscribe"].strip("<>")
    assert news["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith("http://testserver/")
    assert service["List-Unsubscribe"] is None
    page = url.removesuffix("/one-click").encode()
    for part in news.get_payload():
        assert page in part.get_payload(decode=True), part.get_content_type()


async def test_a_mail_is_signed_with_dkim(shop: Shop, tmp_path: Path) -> None:
    """The signature verifies, covers the way to unsubscribe, and fails for one changed letter."""
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "dkim.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + b64encode(public)
    shop.set(mail_from="Shop <cards@shop.example>", mail_dkim_key=path, mail_dkim_selector="s1")
    await shop.send(await shop.queue())
    [(_sender, content)] = shop.server.mails

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"s1._domainkey.shop.example."
        return record

    assert dkim.verify(content, dnsfunc=dns)
    assert b"list-unsubscribe-post" in content.partition(b"\r\nSubject:")[0].lower()
    assert not dkim.verify(content.replace(b"One-Click", b"Two-Click"), dnsfunc=dns)
    assert not dkim.verify(content.replace(b"Bonjour 0", b"Bonjour 1", 1), dnsfunc=dns)


async def test_the_envelope_names_the_message(shop: Shop) -> None:
    """Reports go to an address of their own that says which mail it was."""
    shop.set(mail_bounces="bounces@shop.example")
    message_id = await shop.queue()
    await shop.send(message_id)
    assert shop.server.mails[0][0] == f"bounces+{message_id.hex}@shop.example"


async def test_an_outage_is_asked_about_once_a_minute(shop: Shop) -> None:
    """Twelve mails and an hour without a server: one try a minute after the first three; then each arrives once."""
    shop.server.answer = MailDelayed("connection", about_server=True)
    due = {await shop.queue(number=number): shop.clock.now() for number in range(12)}
    waiting = dict(due)
    begun = shop.clock.now()
    recovered = None
    while waiting:
        message_id, at = min(waiting.items(), key=lambda item: item[1])
        if at > shop.clock.now():
            shop.clock.advance(seconds=(at - shop.clock.now()).total_seconds())
        if shop.clock.now() - begun >= timedelta(hours=1) and recovered is None:
            assert shop.server.asked <= 63
            assert shop.server.asked >= 15
            shop.server.answer, recovered = None, shop.clock.now()
        after = await shop.send(message_id)
        if after is None:
            del waiting[message_id]
        else:
            waiting[message_id] = shop.clock.now() + max(after, timedelta(seconds=10))
    assert recovered is not None
    assert shop.clock.now() - recovered <= timedelta(minutes=5)
    assert len(shop.server.mails) == 12
    assert len({message_from_bytes(content)["Message-ID"] for _sender, content in shop.server.mails}) == 12


@pytest.mark.parametrize(("is_noted", "asked"), [(True, 3), (False, 50)])
async def test_three_failures_speak_for_all_mails(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, is_noted: bool, asked: int
) -> None:
    """Of fifty mails within a minute three ask. The control: with the note of failures taken away, all fifty do."""

    async def forget(*_args: Any, **_more: Any) -> None: ...

    if not is_noted:
        monkeypatch.setattr("app.modules.messaging.jobs.note_server", forget)
    # One customer is one domain, whose own pace would hold the mails back as well: it is not what is asked here.
    shop.set(mail_domain_pace=100_000)
    shop.server.answer = MailDelayed("connection", about_server=True)
    for number in range(50):
        shop.clock.advance(seconds=1)
        await shop.send(await shop.queue(number=number))
    assert shop.server.asked == asked


async def test_a_domain_is_not_flooded(shop: Shop) -> None:
    """Sixty a minute: after the burst of twenty, one a second, in order, each with its own turn."""
    shop.set(mail_domain_pace=60)
    waits = [await shop.send(await shop.queue(number=number)) for number in range(25)]
    assert waits[:20] == [None] * 20
    assert waits[20:] == [timedelta(seconds=n) for n in range(1, 6)] or waits[21:] == [
        timedelta(seconds=n) for n in range(1, 5)
    ]
    assert len(shop.server.mails) in {20, 21}


async def test_a_shop_has_a_limit_for_the_day(shop: Shop) -> None:
    """The third of two waits for tomorrow and goes then; service mail does not count."""
    shop.set(mail_daily_limit=2)
    ids = [await shop.queue(number=number) for number in range(3)]
    after = [await shop.send(message_id) for message_id in ids]
    assert after[:2] == [None, None]
    assert after[2] is not None
    assert after[2] > timedelta(hours=14)
    await send_message(shop.job, message_id=await shop.queue(purpose="service"))
    assert len(shop.server.mails) == 3
    shop.clock.advance(days=1)
    assert await shop.send(ids[2]) is None
    assert len(shop.server.mails) == 4


async def test_no_guard_means_no_mail(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody looks at the consent, nothing is sent."""
    from app.modules.messaging.hooks import MAIL_GUARD

    monkeypatch.setattr(MAIL_GUARD, "_offers", {})
    message_id = await shop.queue()
    await shop.send(message_id)
    assert await shop.standing(message_id) == ("suppressed", "no_guard")
