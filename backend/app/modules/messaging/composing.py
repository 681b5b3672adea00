"""From a claimed message to the bytes that leave: headers, both forms, the way to unsubscribe, the DKIM signature."""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr

from app.config import Settings
from app.kernel.i18n import use_language
from app.modules.messaging.hooks import Unsubscribe
from app.modules.messaging.layout import Brand, render_html
from app.modules.messaging.rules import MARKETING, bounce_address, header_line
from app.modules.messaging.rules import message_id as make_message_id
from app.modules.messaging.service import ClaimedMessage
from app.modules.messaging.smtp import MailRefused, to_address

# What a signature covers; named twice means that none may be added later (RFC 6376, section 8.15).
SIGNED = ("from", "from", "to", "subject", "date", "message-id", "mime-version", "content-type")
SIGNED_MARKETING = ("list-unsubscribe", "list-unsubscribe-post")  # RFC 8058, section 4


@dataclass(frozen=True, slots=True)
class ReadyMail:
    """A mail as it goes to the server."""

    content: bytes
    sender: str
    recipient: str


def compose(
    message: ClaimedMessage, brand: Brand, *, settings: Settings, unsubscribe: Unsubscribe | None
) -> ReadyMail:
    """Return the whole mail; raises MailRefused for a recipient that is no address."""
    display_name = header_line(brand.name if brand.is_merchant else parseaddr(settings.mail_from)[0])
    sender = to_address(settings.mail_from, name=display_name)
    try:
        recipient = to_address(message.recipient)
    except ValueError as error:
        raise MailRefused("address") from error
    mail = EmailMessage(policy=SMTP_POLICY.clone(utf8=not recipient.addr_spec.isascii()))
    # The header classes refuse line breaks in every value.
    mail["Subject"] = header_line(message.mail.subject)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = make_message_id(str(message.id), settings.mail_from)
    mail["Auto-Submitted"] = "auto-generated"
    mail["Feedback-ID"] = f"{message.kind}:{message.merchant_id.hex}:{message.purpose}:stempel"
    text, first = message.mail.text, ""
    if message.purpose == MARKETING and unsubscribe is not None:
        # Written as it is: the header classes would fold an address of this length into encoded words.
        first = f"List-Unsubscribe: <{header_url(unsubscribe.one_click)}>\r\n"
        first += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        mail["Precedence"] = "bulk"
        text = with_goodbye(text, brand, locale=message.locale, page=unsubscribe.page)
    mail.set_content(text + "\n", cte="quoted-printable")
    html = render_html(message.mail, brand, locale=message.locale, unsubscribe=unsubscribe)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = message.locale  # last, because setting the content drops it
    envelope = (
        bounce_address(settings.mail_bounces, message.id) if settings.mail_bounces else sender.addr_spec
    )
    return ReadyMail(sign(first.encode() + mail.as_bytes(), sender, settings), envelope, recipient.addr_spec)


def header_url(url: str) -> str:
    """Return an address of ours as it may stand in a header; raises AssertionError for any other."""
    assert url.isascii() and url.isprintable() and not set(url) & set("<> "), "an address of ours"  # noqa: PT018
    return url


def with_goodbye(text: str, brand: Brand, *, locale: str, page: str) -> str:
    """Return the plain form of a marketing mail with its way out."""
    return f"{text}\n\n-- \n{goodbye(brand, locale=locale)}\n{page}"


def goodbye(brand: Brand, *, locale: str) -> str:
    """Return why a marketing mail came and how to end it, in the reader's language."""
    with use_language(locale) as translator:
        return translator.gettext(
            "You receive this because you agreed to news from %(name)s. Unsubscribe at any time:",
            name=brand.name,
        )


def sign(content: bytes, sender: Address, settings: Settings) -> bytes:
    """Put the DKIM signature in front, where the installation has a key (RFC 6376)."""
    if settings.mail_dkim_key is None:
        return content
    # It brings a DNS library along, which an installation without a key never needs.
    import dkim  # type: ignore[import-untyped]

    names = {
        line.partition(b":")[0].strip().lower().decode()
        for line in content.split(b"\r\n\r\n")[0].split(b"\r\n")
    }
    headers = [name.encode() for name in (*SIGNED, *SIGNED_MARKETING) if name in names]
    signature: bytes = dkim.sign(
        content,
        settings.mail_dkim_selector.encode(),
        sender.domain.encode(),
        settings.mail_dkim_key.read_bytes(),
        include_headers=headers,
    )
    return signature + content
