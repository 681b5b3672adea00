"""The privacy notice of a merchant: who, what for, on what ground, how long, who else, and what one may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.settings import get_settings
from app.modules.merchants.public import MerchantView
from app.modules.messaging.public import messaging_ready
from app.modules.privacy.settings import PrivacySettings

_WALLETS = text("""
SELECT EXISTS (SELECT FROM apple_device_registration WHERE merchant_id = :merchant_id) AS apple,
    EXISTS (SELECT FROM google_object WHERE merchant_id = :merchant_id) AS google
""")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its paragraphs."""

    title: str
    paragraphs: tuple[str, ...]


async def make_notice(session: AsyncSession, merchant: MerchantView) -> Mapping[str, Any]:
    """Return what the page shows, in the reader's language."""
    settings = await get_settings(session, PrivacySettings, merchant_id=merchant.id)
    name = settings.controller_name or merchant.name
    wallets = (await session.execute(_WALLETS, {"merchant_id": merchant.id})).one()
    sections = [
        Section(_("What we keep, and what for"), _what()),
        Section(_("On what ground"), _grounds()),
        Section(_("How long"), _how_long(settings.inactive_months)),
        Section(_("Who else sees it"), _who_else(session, apple=wallets.apple, google=wallets.google)),
        Section(_("What you may ask for"), _rights()),
    ]
    return {
        "controller": {
            "name": name,
            "address": settings.controller_address,
            "email": settings.contact_email,
        },
        "sections": sections,
        "extra_note": settings.extra_note,
    }


def _what() -> tuple[str, ...]:
    return (
        _(
            "Your card: its number, stamps, points, visits, rewards and when they happened. "
            "Without them there is no card."
        ),
        _("Your name, email, phone and birthday, if you told us. You may leave out each of them."),
        _("What you agreed to, with the exact words and the moment, so that we can prove it."),
        _(
            "Cookies: one that remembers your card on this device, one for your language, one "
            "that protects forms. None follows you."
        ),
    )


def _grounds() -> tuple[str, ...]:
    return (
        _("The card itself: the contract with you (Art. 6(1)(b) GDPR)."),
        _(
            "Reminders and promotions: only your consent (Art. 6(1)(a) GDPR). You can take it "
            "back at any time, in every mail and on your card."
        ),
        _("Preventing misuse and counting visits: our legitimate interest (Art. 6(1)(f) GDPR)."),
    )


def _how_long(months: int) -> tuple[str, ...]:
    first = _("Until you delete it: the button is on your card.")
    after = _(
        "Sums without any name stay, because our books must balance, and so does the "
        "proof of what you agreed to."
    )
    if not months:
        return first, after
    limit = ngettext(
        "Without a visit for %(num)s month it is deleted by itself.",
        "Without a visit for %(num)s months it is deleted by itself.",
        months,
    )
    return first, limit, after


def _who_else(session: AsyncSession, *, apple: bool, google: bool) -> tuple[str, ...]:
    lines = [_("Nobody buys it. Those who run this website for us process it on our behalf.")]
    if messaging_ready(resources_of(session).get(Settings)):
        lines.append(_("Mails pass through the mail service that we use for sending."))
    if apple:
        lines.append(_("If you put the card into Apple Wallet, Apple delivers it to your devices."))
    if google:
        lines.append(_("If you put the card into Google Wallet, Google keeps a copy to show it to you."))
    return tuple(lines)


def _rights() -> tuple[str, ...]:
    return (
        _(
            "See, download, correct and delete everything: on your card, under “My data and "
            "this device”. You need no account."
        ),
        _(
            "You may also ask us, object, or complain to a data protection authority; in "
            "Luxembourg that is the CNPD."
        ),
    )
