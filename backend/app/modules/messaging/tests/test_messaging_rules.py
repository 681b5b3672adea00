"""What a text becomes and what an answer of a mail server means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.modules.messaging.composing import compose
from app.modules.messaging.hooks import Unsubscribe
from app.modules.messaging.layout import PALETTE_COLORS, Brand, brand_of, render_html
from app.modules.messaging.rules import (
    Part,
    claim_free_at,
    header_line,
    is_refusal,
    is_too_old,
    message_id,
    split_line,
    split_text,
)
from app.modules.messaging.service import ClaimedMessage, Mail
from app.modules.messaging.smtp import SmtpServer, to_address
from app.modules.wallets.public import PALETTES
from app.utils.id_generator import new_id
from app.utils.validators import clean_email

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Hello", "Hello"),
        ("Hello\r\nBcc: everybody@example.com", "Hello Bcc: everybody@example.com"),
        ("a\x00b\u2028c\td", "a b c d"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_header_is_one_line(text: str, line: str) -> None:
    """Line breaks and control characters cannot end a header."""
    assert header_line(text) == line


def test_an_address_alone_becomes_a_button() -> None:
    """An address alone in its paragraph is a button; addresses in words are links, without the dot."""
    paragraphs = split_text("Hello.\nSecond line\n\nhttps://x.example/a?b=1\n\nSee https://x.example/c.")

    assert [paragraph.button for paragraph in paragraphs] == ["", "https://x.example/a?b=1", ""]
    assert paragraphs[0].lines == ((Part("Hello."),), (Part("Second line"),))
    assert split_line("See https://x.example/c.") == [
        Part("See "),
        Part("https://x.example/c", url="https://x.example/c"),
        Part("."),
    ]


@pytest.mark.parametrize(
    ("code", "final"), [(499, False), (500, True), (550, True), (599, True), (600, False), (421, False)]
)
def test_only_5xx_is_final(code: int, final: bool) -> None:
    """RFC 5321: 4xx may be tried again."""
    assert is_refusal(code) is final


def test_a_claim_ends_after_two_minutes() -> None:
    """A message held for less than two minutes is left alone; after that its worker has died."""
    free_at = NOW + timedelta(minutes=2)

    assert claim_free_at(NOW, now=free_at - timedelta(seconds=1)) == free_at
    assert claim_free_at(NOW, now=free_at) is None
    assert claim_free_at(None, now=NOW) is None


def test_trying_ends_after_two_days() -> None:
    """At two days the message is still tried, a second later it is not."""
    assert not is_too_old(NOW, now=NOW + timedelta(days=2))
    assert is_too_old(NOW, now=NOW + timedelta(days=2, seconds=1))


def test_the_message_id_is_stable() -> None:
    """Every try carries the same id, in the sender's domain."""
    assert message_id("abc", "CoffeeLux <cards@coffee.example>") == "<abc@coffee.example>"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (
            "smtp://u%40x:p%3Aw@mail.example",
            SmtpServer("mail.example", 587, "u@x", "p:w", tls="required"),
        ),
        ("smtps://mail.example", SmtpServer("mail.example", 465, tls="required", implicit=True)),
        ("smtp://mail.example:25?tls=off", SmtpServer("mail.example", 25, tls="off")),
        ("smtp://127.0.0.1:2525", SmtpServer("127.0.0.1", 2525, tls="offered")),
    ],
)
def test_the_servers_address_is_read(url: str, server: SmtpServer) -> None:
    """Encryption is required unless the operator weakens it or the server is this machine."""
    assert SmtpServer.from_url(url) == server


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://mail.example?tls=maybe"])
def test_a_wrong_address_ends_the_start(url: str) -> None:
    """A server that cannot be meant is refused with a sentence."""
    with pytest.raises(ValueError, match="STEMPEL_SMTP_URL"):
        SmtpServer.from_url(url)


def test_html_escapes_what_people_typed() -> None:
    """A shop's name or a text is never markup."""
    brand = brand_of("<script>alert(1)</script>", {"background_color": "red;} x {"})
    html = render_html(Mail("<b>", 'a <img src=x onerror="x">'), brand, locale="fr")

    assert "<script>alert" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert brand.color == "#0b5c46"
    assert '<html lang="fr" ' in html


@pytest.mark.parametrize(
    ("color", "ink"), [("#0b5c46", "#ffffff"), ("#fbf8f1", "#16130a"), ("#f2b632", "#16130a")]
)
def test_words_stand_out_on_the_shops_colour(color: str, ink: str) -> None:
    """Dark colours carry white words, light ones dark words."""
    assert Brand("X", color).ink == ink


@pytest.mark.parametrize(
    ("branding", "color"),
    [
        ({}, "#0b5c46"),
        ({"palette": "brick"}, "#8c2f23"),
        ({"palette": "own", "background_color": "#123456"}, "#123456"),
        ({"palette": "own", "background_color": "blue"}, "#0b5c46"),
    ],
)
def test_a_mail_wears_the_shops_colour(branding: dict[str, str], color: str) -> None:
    """A palette, else the shop's own colour, else the product's."""
    assert brand_of("X", branding).color == color


def test_the_palettes_are_those_of_the_cards() -> None:
    """A mail and a card of one palette have the same background."""
    assert {name: colors.background for name, colors in PALETTES.items()} == PALETTE_COLORS


def claimed(**over: Any) -> ClaimedMessage:
    """Return a message that is about to leave."""
    now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    parts = {
        "recipient": "jos@coffee.example",
        "kind": "card_link",
        "locale": "lb",
        "mail": Mail("Är Kaart", "Moien"),
    }
    return ClaimedMessage(id=new_id(), merchant_id=new_id(), created_at=now, due_at=now, **{**parts, **over})


def test_an_address_with_umlauts_goes_by_ascii_domain() -> None:
    """The domain is sent as IDNA; nothing typed becomes a header."""
    assert to_address("jos@müller.example").addr_spec == "jos@xn--mller-kva.example"
    brand = Brand('Coffee "Lux" & Söhne, Bcc: x\r\nBcc: y@z.example', is_merchant=True)
    settings = Settings(mail_from="cards@coffee.example", demo=True)
    ready = compose(claimed(), brand, settings=settings, unsubscribe=None)
    message = message_from_bytes(ready.content, policy=default)

    assert message["Bcc"] is None
    assert message["From"].addresses[0].addr_spec == "cards@coffee.example"
    assert message["Subject"] == "Är Kaart"
    assert b"\nBcc:" not in ready.content.partition(b"\r\n\r\n")[0]


BACKEND = Path(__file__).parents[4]
CONTROLS = [
    "a\x00b",
    "a\x0bb",
    "\x1b[31m",
    "\ufffe",
    "]]>",
    "<!--",
    "&#0;",
    "</mj-text>",
    "{{ 7*7 }}",
    "\u2028x",
]
NAUGHTY = [
    json.loads(line)
    for line in (BACKEND / "tests/data/naughty.txt").read_text("utf-8").splitlines()
    if line.startswith('"')
]


def test_no_naughty_string_breaks_a_mail() -> None:
    """Every string of the corpus as the shop's name, subject and text makes one whole mail with the same headers."""
    settings = Settings(mail_from="cards@coffee.example", demo=True)
    own = "Subject From To Date Message-ID Auto-Submitted Feedback-ID Content-Language"
    expected = [*own.split(), "MIME-Version", "Content-Type"]

    unsubscribe = Unsubscribe("https://cards.example/u/1", "https://cards.example/u/1/now")
    for text in [*NAUGHTY, *CONTROLS]:
        brand, mail = Brand(text, is_merchant=True), Mail(text, text, action_label=text)
        ready = compose(claimed(mail=mail), brand, settings=settings, unsubscribe=None)
        message = message_from_bytes(ready.content, policy=default)
        assert sorted(message.keys()) == sorted(expected), text
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"], text
        html = render_html(mail, brand, locale="en", unsubscribe=unsubscribe)
        assert "<script" not in html.lower(), text
        assert html.count("https://cards.example/u/1") == 1, text
        assert "</html>" in html, text


ENCODED_WORDS = ("=?utf-8?q?Ana=0ABcc:_a@evil.example?=", "=?utf-8?b?QQpCY2M6IGFAZXZpbC5leGFtcGxl?=")


@pytest.mark.parametrize("name", ENCODED_WORDS)
def test_an_encoded_word_is_no_header(name: str) -> None:
    """What Python's header classes would decode into a line break and a header stays the text that it is."""
    settings = Settings(mail_from="cards@coffee.example", demo=True)
    mail, brand = Mail(f"Hello {name}", "Hello"), Brand(name, is_merchant=True)

    ready = compose(claimed(mail=mail), brand, settings=settings, unsubscribe=None)

    assert b"\nBcc" not in ready.content
    shown = message_from_bytes(ready.content, policy=default)
    assert shown["Subject"] == f"Hello {name.replace('=?', '= ?')}"
    assert shown["From"].addresses[0].addr_spec == "cards@coffee.example"


def test_control_python_writes_an_encoded_word_as_it_is() -> None:
    """The control: without our care the same name is a header of its own."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = ENCODED_WORDS[0]
    assert b"\nBcc: a@evil.example" in mail.as_bytes()


def test_an_encoded_word_is_no_address() -> None:
    """Neither is it taken for an address, nor does one from an older day become a header."""
    address = "=?utf-8?q?a=0ABcc=3A_b=40evil.example?=@x.example"
    with pytest.raises(ValueError, match="not an e-mail address"):
        clean_email(address)
    with pytest.raises(ValueError, match="not an e-mail address"):
        to_address(address)
