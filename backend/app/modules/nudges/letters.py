"""How a message looks when it arrives: the mail itself, made by the same steps that send it, with made-up facts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.modules.cards.public import CardWords, compose_card_link
from app.modules.merchants.public import get_merchant
from app.modules.messaging.public import (
    Mail,
    OwnWords,
    Unsubscribe,
    find_brand,
    render_html,
    with_goodbye,
)
from app.modules.nudges.rules import ASKED_KINDS
from app.modules.nudges.wording import Wording, sample_facts


@dataclass(frozen=True, slots=True)
class SampleMail:
    """A mail with made-up facts, in both its forms."""

    subject: str
    html: str
    text: str


async def make_sample(
    session: AsyncSession, merchant_id: UUID, kind: str, *, wording: Wording, locale: str
) -> SampleMail:
    """Return a message as a customer would get it."""
    merchant = await get_merchant(session, merchant_id)
    brand = await find_brand(session, merchant_id)
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    filled = wording.filled(sample_facts(locale, shop=merchant.name))
    with use_language(locale):
        if kind in ASKED_KINDS:
            words = CardWords("confirm" if kind == "verify_address" else "open")
            own = OwnWords(filled.subject, filled.text)
            sent = compose_card_link(merchant.name, f"{base}/card/link/…", words, own)
            mail, unsubscribe = Mail(sent.subject, sent.text), None
        else:
            label = _("Open my card")
            mail = Mail(filled.subject, f"{filled.text}\n\n{base}/card/…", action_label=label)
            unsubscribe = Unsubscribe(f"{base}/mail/preferences/…", f"{base}/mail/preferences/…/one-click")
    html = render_html(mail, brand, locale=locale, unsubscribe=unsubscribe)
    text = mail.text
    if unsubscribe is not None:
        text = with_goodbye(text, brand, locale=locale, page=unsubscribe.page)
    return SampleMail(mail.subject, html, text.strip())
